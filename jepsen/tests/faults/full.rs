//! Disks without room.

use std::fs;
use std::io::ErrorKind;

use tempfile::tempdir;

use crate::{BOTH, MEBIBYTE, disk};

#[test]
fn a_full_disk_takes_nothing_and_takes_again_when_it_is_not() {
    for file_system in BOTH {
        let dir = tempdir().unwrap();
        let disk = disk(dir.path(), file_system);
        let (path, before) = (disk.path().join("file"), disk.free().unwrap());
        let bytes = vec![1; 256 << 10];
        let left = disk.fill(0).unwrap();
        assert!(left < MEBIBYTE, "{file_system:?}: {left} bytes are free");
        let refused = fs::write(&path, &bytes).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::StorageFull, "{file_system:?}: {refused}");
        disk.unfill().unwrap();
        fs::write(&path, &bytes).unwrap();
        let after = disk.free().unwrap();
        assert!(after + MEBIBYTE > before, "{file_system:?}: {after} of {before} bytes");
    }
}

#[test]
fn as_much_is_left_free_as_was_asked_for() {
    for file_system in BOTH {
        let dir = tempdir().unwrap();
        let disk = disk(dir.path(), file_system);
        let left = disk.fill(4 * MEBIBYTE).unwrap();
        assert!((3 * MEBIBYTE..=4 * MEBIBYTE + 64 * 1024).contains(&left), "{left}");
        fs::write(disk.path().join("small"), vec![1; 2 << 20]).unwrap();
        let large = fs::write(disk.path().join("large"), vec![1; 4 << 20]).unwrap_err();
        assert_eq!(large.kind(), ErrorKind::StorageFull, "{large}");
    }
}
