//! `schedule` and `splits`: numbers and orders that need no tensors.

use super::check::{Limit, Rows};
use super::golden::Golden;
use anyhow::{Result, ensure};
use candle_core::{Device, Tensor};
use datasets::{Name, reference_label, text_order_split};
use serde::Deserialize;

#[derive(Deserialize)]
struct Schedule {
    epochs: usize,
    warmup: usize,
    base_lr: f64,
    lr: Vec<f64>,
}

/// `schedule`: the learning rate of every epoch. The README states no limit: a cosine of another
/// library may differ in its last bits, which near its end, where 1 + cos cancels, are a part of
/// the base rate.
pub fn schedule(golden: &Golden, rows: &mut Rows) -> Result<()> {
    for Schedule { epochs, warmup, base_lr, lr } in golden.field::<Vec<Schedule>>("/cases")? {
        let ours = || -> Result<Tensor> {
            ensure!(lr.len() == epochs, "expected {epochs} learning rates, found {}", lr.len());
            let rates =
                (0..epochs).map(|epoch| training::learning_rate(epoch, epochs, warmup, base_lr));
            Ok(Tensor::new(rates.collect::<Vec<_>>(), &Device::Cpu)?)
        };
        let name = format!("{epochs} epochs, warm-up {warmup}");
        let stored = Tensor::new(lr.as_slice(), &Device::Cpu).map_err(Into::into);
        rows.compare_one(&name, Limit::OfLargest(1e-12), ours(), stored);
    }
    Ok(())
}

/// `splits`: order of classes, train/test split and numbering of labels.
pub fn splits(golden: &Golden, rows: &mut Rows) -> Result<()> {
    let info = Name::Cifar10Dvs.info();
    let classes: Vec<String> = golden.field("/cifar10_dvs/classes_in_label_order")?;
    let ours: Vec<String> = info.classes.iter().map(ToString::to_string).collect();
    rows.equal("cifar10_dvs classes", &ours, &classes, format!("{} in label order", classes.len()));

    let sizes: (usize, usize) =
        (golden.field("/cifar10_dvs/train_size")?, golden.field("/cifar10_dvs/test_size")?);
    ensure!(
        !classes.is_empty() && sizes.0.max(sizes.1) <= 1 << 20,
        "splits.json: sizes {sizes:?} cannot be right"
    );
    rows.equal(
        "cifar10_dvs sizes",
        &(info.train, info.test),
        &sizes,
        format!("{} train, {} test", sizes.0, sizes.1),
    );

    let numbers: Vec<usize> = golden.field("/cifar10_dvs/test_file_numbers_of_every_class")?;
    let per_class = (sizes.0 + sizes.1) / classes.len();
    let mut ours = (0, 0);
    for class in &classes {
        let name = |number: usize| format!("cifar10_{class}_{number}.aedat");
        let (train, test) = text_order_split((0..per_class).map(name).collect());
        ours = (ours.0 + train.len(), ours.1 + test.len());
        let expected: Vec<String> = numbers.iter().map(|&number| name(number)).collect();
        rows.equal(
            &format!("cifar10_dvs test files of {class}"),
            &test,
            &expected,
            format!("{} equal", test.len()),
        );
    }
    rows.equal(
        "cifar10_dvs split sizes",
        &ours,
        &sizes,
        format!("{} train, {} test", ours.0, ours.1),
    );

    let folders = golden.keys("/dvs128_gesture/folder_to_network_label")?;
    let map = |label: &dyn Fn(&str) -> Result<Option<u32>>| -> Result<Vec<Option<u32>>> {
        folders.iter().map(|folder| label(folder)).collect()
    };
    let ours = map(&|folder| Ok(reference_label(folder.parse()?)))?;
    let stored = map(&|folder| {
        Ok(Some(golden.field(&format!("/dvs128_gesture/folder_to_network_label/{folder}"))?))
    })?;
    rows.equal("dvs128_gesture labels", &ours, &stored, format!("{} folders", folders.len()));
    Ok(())
}
