//! Rule 10 for a local directory: does it keep its word?

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use super::local::{Inner, explain};
use super::{PRIVATE, StoreError};

/// File systems whose creates, links or syncs depend on a server or an emulation that need not keep them.
const NETWORK: [&str; 22] = [
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "coda",
    "davfs",
    "gfs2",
    "glusterfs",
    "gpfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "ocfs2",
    "orangefs",
    "prl_fs",
    "smb2",
    "smb3",
    "smbfs",
    "vboxsf",
    "vmhgfs",
];

/// What follows `fuse.` in the type of a file system in user space that keeps its files elsewhere.
const NETWORK_FUSE: [&str; 17] = [
    "afpfs",
    "blobfuse",
    "ceph",
    "curlftpfs",
    "davfs",
    "gcsfuse",
    "geesefs",
    "glusterfs",
    "goofys",
    "juicefs",
    "mount-s3",
    "mountpoint-s3",
    "osxfs",
    "rclone",
    "s3fs",
    "sshfs",
    "vmhgfs-fuse",
];

pub(super) fn probe(inner: &Inner) -> Result<(), StoreError> {
    let root = inner.root();
    create_root(inner, root).map_err(|error| refuse(root, "cannot be created", &explain(&error), ""))?;
    if !root.is_dir() {
        return Err(refuse(
            root,
            "cannot be used",
            "it is not a directory",
            "choose another `output.url`",
        ));
    }
    refuse_network(root, &fs::read_to_string("/proc/self/mountinfo").unwrap_or_default())?;
    remove_leftovers(inner)?;
    write_link_sync(inner, root)
}

fn create_root(inner: &Inner, root: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = root
        .ancestors()
        .take_while(|path| !path.as_os_str().is_empty() && !path.exists())
        .collect();
    for path in missing.into_iter().rev() {
        inner.make_directory(path)?;
        let above = path
            .parent()
            .filter(|above| !above.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        inner.sync_directory(above).map_err(|error| io::Error::other(error.to_string()))?;
    }
    Ok(())
}

/// Refuses a root that lies on a network file system, by the table of mounts of this process.
fn refuse_network(root: &Path, mountinfo: &str) -> Result<(), StoreError> {
    let real = root
        .canonicalize()
        .map_err(|error| refuse(root, "cannot be used", &explain(&error), ""))?;
    let Some(kind) = file_system(&real, mountinfo) else { return Ok(()) };
    if is_network(kind) {
        return Err(refuse(
            root,
            "cannot be used",
            &format!("it lies on a network file system ({kind}), which cannot promise that of two creates only one succeeds"),
            "choose a directory on a local disk as `output.url`",
        ));
    }
    Ok(())
}

/// The type of the file system that a real path lies on: that of the last mount whose mount point is the longest prefix of it.
fn file_system<'a>(real: &Path, mountinfo: &'a str) -> Option<&'a str> {
    let mut best: Option<(usize, &str)> = None;
    for line in mountinfo.lines() {
        let Some((mount, source)) = line.split_once(" - ") else { continue };
        let (Some(point), Some(kind)) = (mount.split(' ').nth(4), source.split(' ').next()) else {
            continue;
        };
        let point = unescape(point);
        if real.starts_with(&point) && best.is_none_or(|(length, _)| point.len() >= length) {
            best = Some((point.len(), kind));
        }
    }
    best.map(|(_, kind)| kind)
}

/// The kernel writes blanks and backslashes in mount points as three octal digits.
fn unescape(text: &str) -> String {
    let mut result = text.to_owned();
    for (escaped, plain) in [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")] {
        result = result.replace(escaped, plain);
    }
    result
}

fn is_network(kind: &str) -> bool {
    NETWORK.contains(&kind) || kind.strip_prefix("fuse.").is_some_and(|kind| NETWORK_FUSE.contains(&kind))
}

/// A temporary file lives for as long as it takes to write and sync it; whoever left one that is older is gone.
const LEFT_BEHIND: Duration = Duration::from_secs(600);

/// Temporary files and the empty directories of earlier writers mean nothing to anyone. If one belongs to a live process, its next operation
/// fails once, and it tries again.
fn remove_leftovers(inner: &Inner) -> Result<(), StoreError> {
    let below = |name: &str| inner.resolve(&format!("{PRIVATE}/{name}")).map(fs::read_dir);
    for entry in below("tmp")?.into_iter().flatten().flatten() {
        let age = entry.metadata().and_then(|about| about.modified()).map(|time| time.elapsed());
        if age.is_ok_and(|age| age.is_ok_and(|age| age >= LEFT_BEHIND)) {
            let _ = fs::remove_file(entry.path());
        }
    }
    for name in ["staging", "delta", "state"] {
        for entry in below(name)?.into_iter().flatten().flatten() {
            let _ = fs::remove_dir(entry.path());
        }
    }
    Ok(())
}

fn write_link_sync(inner: &Inner, root: &Path) -> Result<(), StoreError> {
    // Retrying is for a running pipeline; at start, an output that cannot be written to is refused with the reason.
    let at_start = |error: StoreError| match error {
        StoreError::Retry { why, .. } => refuse(root, "cannot be written to", &why, ""),
        other => other,
    };
    let (file, shown) = inner.temporary().map_err(at_start)?;
    let (link, _) = inner.temporary().map_err(at_start)?;
    let result = inner.write(&file, &shown, b"tidegauge probe").map_err(at_start).and_then(|()| {
        fs::hard_link(&file, &link).map_err(|error| no_links(root, &explain(&error)))?;
        match fs::hard_link(&file, &link) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(no_links(
                    root,
                    &format!("a second link to one name failed with {error:?} instead of \"already exists\""),
                ));
            }
            Ok(()) => return Err(no_links(root, "a second link to one name replaced the first")),
        }
        inner.sync_directory(&root.join(PRIVATE).join("tmp"))
    });
    for path in [&file, &link] {
        let _ = fs::remove_file(path);
    }
    result
}

fn no_links(root: &Path, why: &str) -> StoreError {
    let remedy = "choose a directory on a file system with hard links, such as ext4, xfs, btrfs or zfs, as `output.url`";
    refuse(root, "has no proper hard links", why, remedy)
}

fn refuse(root: &Path, what: &str, why: &str, remedy: &str) -> StoreError {
    // Where the reason says what to do already, only the last step is missing.
    let remedy = match (remedy, why.contains("; ")) {
        ("", true) => "then start again",
        ("", false) => "choose another `output.url`, then start again",
        (remedy, _) => remedy,
    };
    StoreError::Fatal {
        what: format!("the output {} {what}", root.display()),
        why: why.to_owned(),
        remedy: remedy.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const MOUNTS: &str = "22 1 252:0 / / rw,relatime - ext4 /dev/vda rw\n\
        30 22 0:40 / /mnt/share rw - nfs4 server:/export rw\n\
        31 22 0:41 / /mnt/share/with\\040blank rw shared:3 - xfs /dev/vdb rw\n\
        32 22 0:42 / /mnt/bucket rw - fuse.s3fs s3fs rw\n\
        33 22 0:43 / /mnt/usb rw - fuseblk /dev/sda1 rw\n";

    #[test]
    fn a_network_file_system_is_recognised_by_the_longest_mount_point() {
        let kind = |path: &str| file_system(Path::new(path), MOUNTS).unwrap();
        assert_eq!(kind("/var/lib/tidegauge"), "ext4");
        assert_eq!(kind("/mnt/share/out"), "nfs4");
        assert_eq!(kind("/mnt/share/with blank/out"), "xfs");
        assert_eq!(kind("/mnt/shared"), "ext4", "a mount point is a prefix of whole names");
        assert!(is_network(kind("/mnt/share/out")));
        assert!(is_network(kind("/mnt/bucket")));
        assert!(!is_network(kind("/mnt/usb/out")));
        assert!(!is_network(kind("/mnt/share/with blank/out")));
    }

    #[test]
    fn the_mount_that_hides_another_counts() {
        let mounts = "1 0 0:1 / / rw - ext4 a rw\n2 1 0:2 / /data rw - ext4 b rw\n3 2 0:3 / /data rw - nfs c rw\n";
        assert_eq!(file_system(Path::new("/data/x"), mounts), Some("nfs"));
    }

    #[test]
    fn a_network_output_is_refused_by_name_with_a_remedy() {
        let root = std::env::temp_dir();
        let mounts = "1 0 0:1 / / rw - nfs4 server:/ rw\n";
        let message = refuse_network(&root, mounts).unwrap_err().to_string();
        assert!(
            message.contains("nfs4") && message.contains("local disk") && message.contains(&root.display().to_string()),
            "{message}"
        );
    }
}
