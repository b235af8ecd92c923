use std::num::NonZeroU32;
use std::os::unix::fs::PermissionsExt as _;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

struct Fixture {
    folder: TempDir,
}

impl Fixture {
    fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn open(&self) -> Result<FileSink, FileFault> {
        FileSink::open(FileConfig {
            path: self.path("audit.jsonl"),
            rotation: None,
        })
    }

    fn open_rotating(&self, file_bytes_max: u64, kept: u32) -> FileSink {
        let rotation = Rotation {
            file_bytes_max,
            kept_count_max: NonZeroU32::new(kept).unwrap(),
        };
        let path = self.path("audit.jsonl");
        FileSink::open(FileConfig {
            path,
            rotation: Some(rotation),
        })
        .unwrap()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn store(sink: &mut FileSink, lines: &str) {
    sink.store(lines.as_bytes(), Durability::Synced).unwrap();
}

#[test]
fn appends_to_what_is_there_and_keeps_others_out() {
    let fixture = Fixture::new();
    store(&mut fixture.open().unwrap(), "{1}\n");
    let mut sink = fixture.open().unwrap();
    store(&mut sink, "{2}\n{3}\n");
    sink.store(b"{4}\n", Durability::Written).unwrap();
    assert_eq!(fixture.read("audit.jsonl"), "{1}\n{2}\n{3}\n{4}\n");
    let mode = fs::metadata(fixture.path("audit.jsonl"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, FILE_MODE);
}

#[test]
fn refuses_a_file_another_writer_holds() {
    let fixture = Fixture::new();
    let _first = fixture.open().unwrap();
    let fault = fixture.open().unwrap_err();
    assert!(matches!(fault, FileFault::Locked { .. }), "{fault}");
}

#[test]
fn refuses_what_it_could_destroy_or_not_repair() {
    let fixture = Fixture::new();
    fs::write(fixture.path("audit.jsonl"), "root:x:0:0:root").unwrap();
    let fault = fixture.open().unwrap_err();
    assert!(matches!(fault, FileFault::Foreign { .. }), "{fault}");
    assert_eq!(fixture.read("audit.jsonl"), "root:x:0:0:root");

    let device = FileConfig {
        path: PathBuf::from("/dev/null"),
        rotation: None,
    };
    let fault = FileSink::open(device).unwrap_err();
    assert!(
        fault
            .to_string()
            .contains("`/dev/null` is not a regular file; write `-`"),
        "{fault}"
    );

    let missing = FileConfig {
        path: fixture.path("a/b"),
        rotation: None,
    };
    let fault = FileSink::open(missing).unwrap_err();
    assert!(matches!(fault, FileFault::Open { .. }), "{fault}");
}

/// The slow, obvious twin of the search from the end.
fn whole_lines(content: &[u8]) -> &[u8] {
    let end = content
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |position| position + 1);
    &content[..end]
}

fn check_repair(content: &[u8]) {
    let fixture = Fixture::new();
    let path = fixture.path("audit.jsonl");
    fs::write(&path, content).unwrap();
    let mut sink = fixture.open().unwrap();
    assert_eq!(fs::read(&path).unwrap(), whole_lines(content));
    store(&mut sink, "{}\n");
    assert_eq!(
        fs::read(&path).unwrap(),
        [whole_lines(content), b"{}\n"].concat()
    );
}

#[test]
fn cuts_off_an_unfinished_last_line() {
    let chunk = usize::try_from(REPAIR_CHUNK_BYTES).unwrap();
    check_repair(b"");
    check_repair(b"{1}\n");
    check_repair(b"{1}\n{2}\n{3");
    check_repair(b"{never finished");
    for unfinished in [chunk - 1, chunk, chunk + 1, 2 * chunk, 3 * chunk + 7] {
        check_repair(&[b"{1}\n".as_slice(), &b"{".repeat(unfinished)].concat());
        check_repair(&b"{".repeat(unfinished));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn cuts_off_what_follows_the_last_newline(rest in "[{}\n]{0,40}") {
        check_repair(format!("{{{rest}").as_bytes());
    }
}

#[test]
fn puts_full_files_aside_and_deletes_the_oldest() {
    let fixture = Fixture::new();
    let mut sink = fixture.open_rotating(8, 2);
    for line in [
        "{1}\n", "{2}\n", "{3}\n", "{4}\n", "{5}\n", "{6}\n", "{7}\n",
    ] {
        store(&mut sink, line);
    }
    assert_eq!(
        fixture.names(),
        ["audit.jsonl", "audit.jsonl.1", "audit.jsonl.2"]
    );
    assert_eq!(fixture.read("audit.jsonl"), "{7}\n");
    assert_eq!(fixture.read("audit.jsonl.1"), "{5}\n{6}\n");
    assert_eq!(fixture.read("audit.jsonl.2"), "{3}\n{4}\n");
}

#[test]
fn a_batch_longer_than_a_file_stands_alone() {
    let fixture = Fixture::new();
    let mut sink = fixture.open_rotating(8, 9);
    store(&mut sink, "{1}\n{2}\n{3}\n");
    store(&mut sink, "{4}\n");
    assert_eq!(fixture.read("audit.jsonl.1"), "{1}\n{2}\n{3}\n");
    assert_eq!(fixture.read("audit.jsonl"), "{4}\n");
}

#[test]
fn counts_what_was_there_before_the_start() {
    let fixture = Fixture::new();
    store(&mut fixture.open_rotating(8, 2), "{1}\n{2}\n");
    store(&mut fixture.open_rotating(8, 2), "{3}\n");
    assert_eq!(fixture.read("audit.jsonl"), "{3}\n");
}

#[test]
fn loses_nothing_when_a_file_cannot_be_put_aside() {
    let fixture = Fixture::new();
    let mut sink = fixture.open_rotating(8, 1);
    store(&mut sink, "{1}\n{2}\n");
    // A folder in the way of the new name fails the rename.
    fs::create_dir_all(fixture.path("audit.jsonl.1/x")).unwrap();
    store(&mut sink, "{3}\n");
    assert_eq!(fixture.read("audit.jsonl"), "{1}\n{2}\n{3}\n");
    fs::remove_dir_all(fixture.path("audit.jsonl.1")).unwrap();
    store(&mut sink, "{4}\n");
    assert_eq!(fixture.read("audit.jsonl.1"), "{1}\n{2}\n{3}\n");
    assert_eq!(fixture.read("audit.jsonl"), "{4}\n");
}

#[test]
fn goes_on_after_a_rotation_that_stopped_half_way() {
    let fixture = Fixture::new();
    let mut sink = fixture.open_rotating(8, 3);
    store(&mut sink, "{1}\n{2}\n");
    fs::rename(fixture.path("audit.jsonl"), fixture.path("audit.jsonl.1")).unwrap();
    store(&mut sink, "{3}\n");
    assert_eq!(fixture.names(), ["audit.jsonl", "audit.jsonl.1"]);
    assert_eq!(fixture.read("audit.jsonl.1"), "{1}\n{2}\n");
    assert_eq!(fixture.read("audit.jsonl"), "{3}\n");
}

#[test]
fn follows_a_file_that_was_moved_when_told_to() {
    let fixture = Fixture::new();
    let mut sink = fixture.open().unwrap();
    store(&mut sink, "{1}\n");
    fs::rename(fixture.path("audit.jsonl"), fixture.path("moved")).unwrap();
    store(&mut sink, "{2}\n");
    sink.reopen().unwrap();
    store(&mut sink, "{3}\n");
    assert_eq!(fixture.read("moved"), "{1}\n{2}\n");
    assert_eq!(fixture.read("audit.jsonl"), "{3}\n");
    sink.reopen().unwrap();
    store(&mut sink, "{4}\n");
    assert_eq!(fixture.read("audit.jsonl"), "{3}\n{4}\n");
}

#[test]
fn keeps_the_old_file_when_there_is_no_new_one() {
    let fixture = Fixture::new();
    let mut sink = fixture.open().unwrap();
    fs::rename(fixture.path("audit.jsonl"), fixture.path("moved")).unwrap();
    fs::create_dir(fixture.path("audit.jsonl")).unwrap();
    assert!(sink.reopen().is_err());
    store(&mut sink, "{1}\n");
    assert_eq!(fixture.read("moved"), "{1}\n");
    assert!(
        File::open(fixture.path("moved"))
            .unwrap()
            .try_lock()
            .is_err()
    );
}

#[test]
fn makes_a_deleted_file_anew() {
    let fixture = Fixture::new();
    let mut sink = fixture.open().unwrap();
    store(&mut sink, "{1}\n");
    fs::remove_file(fixture.path("audit.jsonl")).unwrap();
    store(&mut sink, "{2}\n");
    assert_eq!(fixture.read("audit.jsonl"), "{2}\n");
}

#[test]
fn a_file_emptied_by_others_grows_no_hole() {
    let fixture = Fixture::new();
    let mut sink = fixture.open().unwrap();
    store(&mut sink, "{1}\n{2}\n");
    File::options()
        .write(true)
        .open(fixture.path("audit.jsonl"))
        .unwrap()
        .set_len(0)
        .unwrap();
    sink.is_torn = true;
    store(&mut sink, "{3}\n");
    assert_eq!(fixture.read("audit.jsonl"), "{3}\n");
}
