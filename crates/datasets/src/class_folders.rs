//! Images as PNG files in folders named by class: `train/<class>/*.png` and `test/<class>/*.png`.
//! Copies of data sets lie so whose publisher has them in another form; names of files are free.

use std::path::Path;

use crate::{
    Error, Info, Name, Recording, Source,
    error::unlike,
    files::{self, Others},
    layout::Listing,
};

/// The folders of the publisher's halves.
const HALVES: [&str; 2] = ["train", "test"];

/// Whether a folder with these names in it has both halves, with a folder of one of the classes. A
/// link that leads nowhere may be to such a half: listing says so.
pub(crate) fn are_in(folder: &Path, names: &[String], classes: &[&str]) -> bool {
    let of_class = |half: &&str| {
        let path = folder.join(half);
        match files::names(&path) {
            Ok(inside) => inside.iter().any(|name| classes.contains(&name.as_str())),
            Err(_) => path.is_symlink() && !path.exists(),
        }
    };
    let here = |half: &&str| names.iter().any(|name| name == half);
    HALVES.iter().all(here) && HALVES.iter().any(of_class)
}

/// Lists the images of such a folder in text order of class and name. Classes and images may be
/// missing: that makes a sample. Nothing is decoded.
pub(crate) fn list(name: Name, folder: &Path) -> Result<Listing, Error> {
    let Info { train, test, .. } = *name.info();
    let mut others = Others::default();
    let train = half(name, &folder.join(HALVES[0]), train, &mut others)?;
    let test = half(name, &folder.join(HALVES[1]), test, &mut others)?;
    let paths = train.iter().chain(&test).filter_map(|image| image.source.path());
    Ok(Listing {
        files: paths.map(Path::to_owned).collect(),
        train,
        test,
        split: "publisher: train and test folders, images in an order of its own".to_owned(),
        notes: others.note(folder, "image (.png) in a folder of a class").into_iter().collect(),
        ..Listing::default()
    })
}

/// The images of one half, of which so many are published.
fn half(
    name: Name,
    folder: &Path,
    published: usize,
    others: &mut Others,
) -> Result<Vec<Recording>, Error> {
    let classes = name.info().classes;
    others.files(folder)?;
    let mut found = Vec::new();
    for class in files::folders(folder, classes)? {
        let of_class = folder.join(&class);
        let Some(label) = classes.iter().position(|&known| known == class) else {
            refuse_images(&of_class, &class, classes)?;
            continue;
        };
        let names = others.recordings(&of_class, "png")?;
        let most = published / classes.len();
        if names.len() > most {
            let expected = format!("at most {most} images of a class, as published");
            let found = sentence::counted(names.len(), "image");
            let advice = "it is of another data set, or has copies: leave the published ones";
            return Err(unlike(&of_class, expected, found, advice));
        }
        found.extend(names.iter().map(|file| Recording {
            name,
            label: label as u32,
            source: Source::File(of_class.join(file)),
        }));
    }
    Ok(found)
}

/// The refusal of a folder with images that is named by no class; other tools keep other things
/// here.
fn refuse_images(folder: &Path, class: &str, classes: &[&str]) -> Result<(), Error> {
    if files::names_with(folder, "png")?.is_empty() {
        return Ok(());
    }
    let known: Vec<String> = classes.iter().map(|&class| class.to_owned()).collect();
    let expected = format!("a folder named by a class ({})", files::excerpt(&known));
    let advice = "move it away, or name it by its class";
    Err(unlike(folder, expected, format!("\"{class}\""), advice))
}
