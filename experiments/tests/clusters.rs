//! Many processes share the runs of one command: as tasks, all at once, and as jobs of SLURM, for
//! which a stand-in `sbatch` runs an array's tasks as processes.
#![allow(clippy::unwrap_used)]
#![cfg(unix)]

mod common;

use common::{command, stderr};
use serde_json::Value;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const VARIABLES: [&str; 5] = [
    "SLURM_ARRAY_TASK_ID",
    "SLURM_ARRAY_JOB_ID",
    "SLURM_JOB_ID",
    "HQ_TASK_ID",
    "JOB_COMPLETION_INDEX",
];

/// The smallest runs of all: parts of a second each.
const SMALL: [&str; 13] = [
    "table2",
    "--only",
    "n-mnist",
    "--profile",
    "smoke",
    "--narrow",
    "64",
    "--train",
    "32",
    "--test",
    "16",
    "--crossover",
    "0.5",
];

fn table2(dir: &Path, more: &[&str]) -> Command {
    let mut command = command(dir, &[&SMALL, more].concat());
    VARIABLES.iter().for_each(|name| _ = command.env_remove(name));
    command
}

fn done(mut command: Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", stderr(&output));
    output
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(all) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> =
        all.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The digest of each seed's weights.
fn weights(dir: &Path) -> BTreeMap<u64, String> {
    let runs = dir.join("results/runs/table2");
    let read = |name: String| {
        let text = std::fs::read_to_string(runs.join(name)).unwrap();
        let receipt: Value = serde_json::from_str(&text).unwrap();
        (receipt["seed"].as_u64().unwrap(), receipt["weights_sha256"].as_str().unwrap().to_owned())
    };
    names(&runs).into_iter().map(read).collect()
}

/// The table, where time has no place in it.
fn table(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("results/table2.csv")).unwrap()
}

fn list(dir: &Path, more: &[&str]) -> Vec<(u64, String)> {
    let output = done(table2(dir, &[&["--list-tasks", "--json"], more].concat()));
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    let each = all.as_array().unwrap().iter().enumerate();
    each.map(|(number, task)| {
        assert_eq!(task["task"].as_u64(), Some(number as u64));
        (task["seed"].as_u64().unwrap(), task["state"].as_str().unwrap().to_owned())
    })
    .collect()
}

#[test]
fn tasks_are_the_runs_of_one_command_and_end_in_its_table() {
    let dir = tempfile::tempdir().unwrap();
    let seeds = ["--seeds", "3..6"];
    let states = |of: [&str; 3]| {
        let expected: Vec<(u64, String)> = (3..).zip(of.map(str::to_owned)).collect();
        assert_eq!(list(dir.path(), &seeds), expected);
    };
    states(["missing"; 3]);
    assert!(names(dir.path()).is_empty(), "a list leaves nothing behind");
    let output = done(table2(dir.path(), &[&seeds[..], &["--task", "1/2"]].concat()));
    assert!(stderr(&output).contains("--task: 1 of the 3 runs"), "{}", stderr(&output));
    assert!(output.stdout.is_empty() && !dir.path().join("results/table2.md").exists());
    states(["missing", "done", "missing"]);
    let mut of_slurm = table2(dir.path(), &seeds);
    of_slurm.env("SLURM_ARRAY_TASK_ID", "2");
    let said = stderr(&done(of_slurm));
    assert!(said.contains("SLURM_ARRAY_TASK_ID=2: 1 of the 3 runs"), "{said}");
    states(["missing", "done", "done"]);
    // the one run that is asked for is no task's
    let mut of_user = table2(dir.path(), &["--seed", "3"]);
    of_user.env("SLURM_ARRAY_TASK_ID", "2");
    done(of_user);
    states(["done"; 3]);
    let output = done(table2(dir.path(), &[&seeds[..], &["--task", "none"]].concat()));
    assert!(stderr(&output).contains("every run has its receipt"), "{}", stderr(&output));
    let whole = tempfile::tempdir().unwrap();
    done(table2(whole.path(), &seeds));
    assert_eq!(weights(dir.path()), weights(whole.path()));
    assert_eq!(table(dir.path()), table(whole.path()));
    for (more, variable, words) in [
        (&["--task", "3/3"][..], "", "--task: expected K/N"),
        (&["--task", "3"], "", "--task: expected the number of a run, from 0 to 2, found 3"),
        (&["--json"], "", "--list-tasks"),
        (&["--time", "10:00"], "", "--slurm"),
        (&[], "9", "HQ_TASK_ID=9: expected the number of a run, from 0 to 2, found 9"),
        (&[], "x", "HQ_TASK_ID: expected the number of a task, found \"x\""),
    ] {
        let mut wrong = table2(dir.path(), &[&seeds[..], more].concat());
        wrong.env("HQ_TASK_ID", variable);
        let output = wrong.output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn many_at_once_train_each_run_once() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("results/checkpoints");
    // a run whose process was killed at it is somebody's too
    let mut killed = table2(dir.path(), &["--seed", "1"]);
    let mut killed = killed.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let locks = || names(&folder).into_iter().filter(|name| name.ends_with(".lock")).count();
    while locks() == 0 {
        std::thread::sleep(Duration::from_millis(2));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    assert_eq!(locks(), 1, "its lock stays");
    let start = Instant::now();
    let children: Vec<_> = (0..8)
        .map(|_| {
            let mut one = table2(dir.path(), &["--seeds", "3", "--threads", "1"]);
            one.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
            one.spawn().unwrap()
        })
        .collect();
    let outputs: Vec<Output> =
        children.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
    let said: Vec<String> = outputs.iter().map(stderr).collect();
    assert!(outputs.iter().all(|output| output.status.success()), "{said:#?}");
    let begun = |said: &String| said.lines().filter(|line| line.contains(" epoch 1/")).count();
    assert_eq!(said.iter().map(begun).sum::<usize>(), 3, "{said:#?}");
    assert_eq!(weights(dir.path()).len(), 3);
    assert!(start.elapsed() < Duration::from_secs(200), "one waited");
    assert!(names(&folder).is_empty(), "{:?}", names(&folder));
    assert!(!names(&dir.path().join("results")).contains(&".tables.lock".to_owned()));
    // the last to lay out knew every receipt
    let whole = tempfile::tempdir().unwrap();
    done(table2(whole.path(), &["--seeds", "3"]));
    assert_eq!(table(dir.path()), table(whole.path()));
}

/// `sbatch` that runs an array's tasks one after the other, and tells the first of them that its
/// time is over after its first epoch, as if it had lived for long; `scontrol` that has a task
/// begin again.
const SBATCH: &str = r#"#!/bin/bash
echo "$@" >>"$STAND_IN/calls"
script=${!#} number=$(($(cat "$STAND_IN/number" 2>/dev/null || echo 70) + 1))
echo $number >"$STAND_IN/number"
export SLURM_JOB_ID=$number
tasks=$(sed -n 's/^#SBATCH --array=\([0-9]*\)-\([0-9]*\).*/\1 \2/p' "$script")
[ -n "$tasks" ] || { bash "$script" >"$STAND_IN/log-$number" 2>&1; echo "$?" >"$STAND_IN/status-$number"; }
for task in ${tasks:+$(seq $tasks)}; do
    restarts=0
    while :; do
        rm -f "$STAND_IN/requeued"
        log=$STAND_IN/log-$number-$task-$restarts
        SLURM_ARRAY_JOB_ID=$number SLURM_ARRAY_TASK_ID=$task SLURM_RESTART_COUNT=$restarts SECONDS=100 bash "$script" >"$log" 2>&1 &
        job=$!
        if [ "$task$restarts" = 00 ]; then
            until grep -q ' epoch 1/' "$log"; do sleep 0.01; done
            kill -USR1 $job
        elif [ "$task$restarts" = 01 ]; then
            until grep -q ' epoch ' "$log"; do sleep 0.01; done
            kill -KILL $(cat /proc/$job/task/$job/children)
        fi
        wait $job
        echo "$?" >"$STAND_IN/status-$number-$task-$restarts"
        [ -e "$STAND_IN/requeued" ] || break
        restarts=$((restarts + 1))
    done
done
echo "$number;cluster"
"#;
const SCONTROL: &str = "#!/bin/sh\n[ \"$1 $2\" = \"requeue ${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID\" ] && touch \"$STAND_IN/requeued\"\n";

fn program(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
    std::fs::set_permissions(folder.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn an_array_of_slurm_ends_as_one_process_does() {
    let (dir, stand_in) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    program(stand_in.path(), "sbatch", SBATCH);
    program(stand_in.path(), "scontrol", SCONTROL);
    let flags = ["--seeds", "2", "--epochs", "12", "--checkpoint-every", "600"];
    let slurm = ["--slurm", "--partition", "debug", "--time=2:00:00", "--array-limit", "8"];
    let submit = || {
        let mut submit = table2(dir.path(), &[&flags[..], &slurm].concat());
        let path = std::env::var("PATH").unwrap();
        submit.env("PATH", format!("{}:{path}", stand_in.path().display()));
        submit.env("STAND_IN", stand_in.path());
        submit
    };
    let output = done(submit());
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("array job 71") && printed.contains("report job 72"), "{printed}");
    let read = |name: &str| std::fs::read_to_string(stand_in.path().join(name)).unwrap();
    assert!(read("calls").contains("--dependency=afterany:71"), "{}", read("calls"));
    // told that its time is over, then killed, then let go on to its end
    let logs = [read("log-71-0-0"), read("log-71-0-1"), read("log-71-0-2")];
    assert!(logs[0].contains("interrupted: the state is saved"), "{logs:#?}");
    assert!(logs[1].contains("goes on from") && logs[2].contains("goes on from"), "{logs:#?}");
    assert_eq!(read("status-71-0-2").trim(), "0", "{logs:#?}");
    assert_eq!(read("status-71-1-0").trim(), "0", "{}", read("log-71-1-0"));
    assert_eq!(read("status-72").trim(), "0", "{}", read("log-72"));
    let whole = tempfile::tempdir().unwrap();
    done(table2(whole.path(), &flags));
    assert_eq!(weights(dir.path()), weights(whole.path()));
    assert_eq!(table(dir.path()), table(whole.path()));
    let said = stderr(&done(submit()));
    assert!(said.contains("nothing is submitted"), "{said}");
}

#[test]
fn scripts_are_printed_and_shells_read_them() {
    let dir = tempfile::tempdir().unwrap();
    let more = ["--slurm", "--dry-run", "--seeds", "5", "--gres", "gpu:1", "--time", "90"];
    let sbatch = [
        "--sbatch=--account=a b",
        "--set",
        "setup.augment={\"padding\":1,\"flip\":false,\"degrees\":0}",
    ];
    let output = done(table2(dir.path(), &[&more[..], &sbatch].concat()));
    let script = String::from_utf8(output.stdout).unwrap();
    for line in [
        "#SBATCH --array=0-4",
        "#SBATCH --gres=gpu:1",
        "#SBATCH --time=90",
        "#SBATCH --requeue",
        "#SBATCH --account=a b",
    ] {
        assert!(script.lines().any(|found| found == line), "{line}: {script}");
    }
    assert!(script.contains("--task \"$SLURM_ARRAY_TASK_ID\"/5 &"), "{script}");
    assert!(!script.contains(" --slurm") && !script.contains("--dry-run"), "{script}");
    assert!(names(dir.path()).is_empty(), "a dry run leaves nothing behind");
    let file = dir.path().join("script");
    std::fs::write(&file, &script).unwrap();
    assert!(Command::new("bash").arg("-n").arg(&file).status().unwrap().success());
    // without SLURM
    let mut absent = table2(dir.path(), &["--slurm", "--seeds", "2"]);
    absent.env("PATH", dir.path());
    let output = absent.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("--slurm: cannot start sbatch: "), "{}", stderr(&output));
    let mut refusing = table2(dir.path(), &["--slurm", "--seeds", "2"]);
    program(dir.path(), "sbatch", "#!/bin/sh\necho sbatch: error: invalid partition >&2\nexit 1\n");
    let path = std::env::var("PATH").unwrap();
    refusing.env("PATH", format!("{}:{path}", dir.path().display()));
    let output = refusing.output().unwrap();
    let said = stderr(&output);
    assert!(output.status.code() == Some(1) && said.contains("refuses"), "{said}");
    assert!(said.contains("invalid partition"), "{said}");
}
