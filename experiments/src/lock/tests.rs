#![allow(clippy::unwrap_used)]
use super::*;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

const QUICK: Pace = Pace { beat: Duration::from_millis(20), age: Duration::from_millis(200) };

/// An owner on a machine that nobody here can look at.
fn elsewhere() -> Owner {
    let mut text: serde_json::Value = serde_json::from_str(&text(&Owner::this())).unwrap();
    text["boot"] = "another".into();
    text["host"] = "far-away".into();
    serde_json::from_value(text).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let all = std::fs::read_dir(folder).unwrap();
    all.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn held(attempt: Attempt) -> Holder {
    match attempt {
        Attempt::Held(holder) => holder,
        Attempt::Taken(_) => panic!("taken"),
    }
}

fn taken(attempt: Attempt) -> Lock {
    match attempt {
        Attempt::Taken(lock) => lock,
        Attempt::Held(holder) => panic!("held by {holder:?}"),
    }
}

#[test]
fn one_holds_it_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new/run.lock");
    let lock = taken(Lock::attempt(&path, QUICK).unwrap());
    lock.prove().unwrap();
    let other = held(Lock::attempt(&path, QUICK).unwrap());
    assert!(other.says.contains(&format!("process {} on ", std::process::id())), "{other:?}");
    assert_eq!(names(path.parent().unwrap()), ["run.lock"]);
    // for longer than an owner that is not heard of has it
    std::thread::sleep(QUICK.age + QUICK.beat);
    assert!(held(Lock::attempt(&path, QUICK).unwrap()).alive);
    drop(lock);
    assert!(names(path.parent().unwrap()).is_empty());
    taken(Lock::attempt(&path, QUICK).unwrap());
}

#[test]
fn of_many_at_once_one_has_it_whether_it_is_new_or_a_dead_ones() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.lock");
    for round in 0..20 {
        if round % 2 == 1 {
            let mut dead = serde_json::to_value(Owner::this()).unwrap();
            dead["started"] = "1".into();
            std::fs::write(&path, dead.to_string()).unwrap();
        }
        let (inside, all) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let barrier = Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    barrier.wait();
                    let Attempt::Taken(lock) = Lock::attempt(&path, QUICK).unwrap() else {
                        return;
                    };
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two at once");
                    all.fetch_add(1, Ordering::SeqCst);
                    lock.prove().unwrap();
                    std::thread::sleep(Duration::from_millis(2));
                    inside.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        assert!(all.load(Ordering::SeqCst) > 0, "nobody had it");
        assert!(names(dir.path()).is_empty(), "{:?}", names(dir.path()));
    }
}

#[test]
fn a_lock_from_elsewhere_is_taken_by_age_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.lock");
    std::fs::write(&path, text(&elsewhere())).unwrap();
    let holder = held(Lock::attempt(&path, QUICK).unwrap());
    assert!(!holder.alive && holder.says.contains("far-away"), "{holder:?}");
    // no beat comes: it is waited for, and taken
    let start = Instant::now();
    let lock = taken(Lock::watch(&path, QUICK, || true).unwrap());
    assert!(start.elapsed() < QUICK.age * 20);
    lock.prove().unwrap();
    drop(lock);
    assert!(names(dir.path()).is_empty());
    // nothing waits after a signal
    std::fs::write(&path, text(&elsewhere())).unwrap();
    held(Lock::watch(&path, Pace::default(), || false).unwrap());
    // a beat is the word of an owner elsewhere
    let beating = std::thread::spawn({
        let (path, text) = (path.clone(), text(&elsewhere()));
        move || {
            for _ in 0..15 {
                std::thread::sleep(QUICK.beat);
                OpenOptions::new()
                    .write(true)
                    .open(&path)
                    .unwrap()
                    .write_all(text.as_bytes())
                    .unwrap();
            }
        }
    });
    assert!(held(Lock::watch(&path, QUICK, || true).unwrap()).alive);
    beating.join().unwrap();
}

#[test]
fn who_lost_its_lock_is_told_and_removes_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.lock");
    let lock = taken(Lock::attempt(&path, QUICK).unwrap());
    std::fs::write(dir.path().join("other"), text(&elsewhere())).unwrap();
    std::fs::rename(dir.path().join("other"), &path).unwrap();
    let said = lock.prove().unwrap_err().to_string();
    assert!(said.contains("far-away") && said.contains("run.lock"), "{said}");
    drop(lock);
    assert!(path.exists());
    std::fs::remove_file(&path).unwrap();
    let lock = taken(Lock::attempt(&path, QUICK).unwrap());
    std::fs::remove_file(&path).unwrap();
    assert!(lock.prove().unwrap_err().to_string().contains("found none"));
}

#[test]
fn what_is_no_lock_is_taken_when_it_is_old() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.lock");
    for text in ["", "x", "{}"] {
        let file = File::create(&path).unwrap();
        (&file).write_all(text.as_bytes()).unwrap();
        assert!(!held(Lock::attempt(&path, Pace::default()).unwrap()).alive);
        file.lock().unwrap();
        assert!(held(Lock::attempt(&path, QUICK).unwrap()).alive, "of a program of before");
        file.unlock().unwrap();
        file.set_modified(SystemTime::now() - 2 * MOMENT).unwrap();
        taken(Lock::attempt(&path, Pace::default()).unwrap());
    }
}

#[test]
fn a_file_system_without_links_has_locks_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.lock");
    let none = |_: &Path, _: &Path| Err(io::Error::from(ErrorKind::Unsupported));
    let (first, second) = (Owner::this(), Owner::this());
    assert!(create(&path, &first, none).unwrap().is_some());
    assert!(create(&path, &second, none).unwrap().is_none());
    assert_eq!(Found::read(&path).unwrap().unwrap().token(), first.token);
    assert_eq!(names(dir.path()), ["run.lock"]);
    // a server that was asked twice, as its first answer was lost
    std::fs::remove_file(&path).unwrap();
    let twice = |from: &Path, to: &Path| {
        std::fs::hard_link(from, to)?;
        std::fs::hard_link(from, to)
    };
    assert!(create(&path, &first, twice).unwrap().is_some());
}

#[test]
fn a_folder_that_cannot_be_written_is_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "").unwrap();
    let path = dir.path().join("file/run.lock");
    let said = Lock::attempt(&path, QUICK).err().unwrap().to_string();
    assert!(said.starts_with("cannot write the lock ") && said.contains("--results"), "{said}");
}
