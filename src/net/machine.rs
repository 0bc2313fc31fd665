//! How much memory there is.

use std::fs;
use std::path::{Path, PathBuf};

/// The part of the memory that may be held for clients, unless `--memory-mib` says otherwise.
const BUDGET_PART: u64 = 4;
/// Less only on a machine of which this is more than half.
const BUDGET_BYTES_MIN: u64 = 64 * 1024 * 1024;
/// On a system that does not say what it has.
const BUDGET_BYTES_UNKNOWN: u64 = 256 * 1024 * 1024;

/// Where the tables of control groups are mounted, and the file that has the limit: one for all
/// controllers (version 2), also beside those of version 1, and the one of memory (version 1).
const MOUNTS: [(&str, &str); 3] = [
    ("/sys/fs/cgroup", "memory.max"),
    ("/sys/fs/cgroup/unified", "memory.max"),
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
];

/// What may be held for all clients together, in bytes, if nothing else is said.
pub fn default_budget() -> usize {
    let budget = budget(|path| fs::read_to_string(path).ok());
    usize::try_from(budget).unwrap_or(usize::MAX)
}

fn budget(read: impl Fn(&Path) -> Option<String>) -> u64 {
    let machine = read(Path::new("/proc/meminfo")).and_then(|table| total_memory(&table));
    let groups = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    let limits = groups.lines().flat_map(limit_files).filter_map(|file| read(&file));
    // Without a limit there is a word, or a number larger than any machine.
    let limits = limits.filter_map(|limit| limit.trim().parse().ok());
    match limits.chain(machine).min() {
        Some(memory) => (memory / BUDGET_PART).max(BUDGET_BYTES_MIN.min(memory / 2)),
        None => BUDGET_BYTES_UNKNOWN,
    }
}

/// The first line of /proc/meminfo, in bytes.
fn total_memory(table: &str) -> Option<u64> {
    let total = table.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = total.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kib * 1024)
}

/// The files that may limit the memory of a process, by a line of its /proc/self/cgroup
/// (cgroups(7)): those of its own group and of all groups around it. In a container the outer part
/// of the path may be missing.
fn limit_files(group: &str) -> Vec<PathBuf> {
    let mut fields = group.splitn(3, ':').skip(1);
    let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else {
        return Vec::new();
    };
    let of_all = controllers.is_empty();
    if !of_all && !controllers.split(',').any(|controller| controller == "memory") {
        return Vec::new();
    }
    let path = Path::new(path.trim_start_matches('/'));
    let mounts = MOUNTS.iter().filter(|(_, file)| (*file == "memory.max") == of_all);
    let files = mounts.flat_map(|(mount, file)| {
        path.ancestors().map(move |group| Path::new(mount).join(group).join(file))
    });
    files.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    /// The budget on a machine with these files.
    fn with(files: &[(&str, &str)]) -> u64 {
        budget(|path| {
            let file = files.iter().find(|(name, _)| Path::new(name) == path)?;
            Some(file.1.to_owned())
        })
    }

    const EIGHT_GIB: (&str, &str) =
        ("/proc/meminfo", "MemTotal:        8388608 kB\nMemFree:          123456 kB\n");

    #[test]
    fn without_groups_the_machine_counts() {
        assert_eq!(with(&[EIGHT_GIB]), 2048 * MIB);
        assert_eq!(with(&[("/proc/meminfo", "MemTotal: 131072 kB\n")]), 64 * MIB, "at least");
        assert_eq!(with(&[("/proc/meminfo", "nonsense")]), 256 * MIB);
        assert_eq!(with(&[]), 256 * MIB);
    }

    #[test]
    fn the_smallest_limit_of_the_groups_around_counts() {
        let groups = ("/proc/self/cgroup", "0::/system.slice/chat.service\n");
        let own = "/sys/fs/cgroup/system.slice/chat.service/memory.max";
        assert_eq!(with(&[EIGHT_GIB, groups, (own, "max\n")]), 2048 * MIB);
        assert_eq!(with(&[EIGHT_GIB, groups, (own, "1073741824\n")]), 256 * MIB);
        let around = ("/sys/fs/cgroup/system.slice/memory.max", "536870912\n");
        assert_eq!(with(&[EIGHT_GIB, groups, (own, "1073741824\n"), around]), 128 * MIB);
        // As a container with a table of its own sees it.
        let root = ("/sys/fs/cgroup/memory.max", "536870912\n");
        let inside = ("/proc/self/cgroup", "0::/\n");
        assert_eq!(with(&[EIGHT_GIB, inside, root]), 128 * MIB);
    }

    #[test]
    fn version_1_has_a_table_for_memory() {
        let groups = ("/proc/self/cgroup", "9:name=systemd:/\n4:cpu,memory:/docker/ab12\n0::/\n");
        let unlimited = "9223372036854771712\n";
        let own = "/sys/fs/cgroup/memory/docker/ab12/memory.limit_in_bytes";
        assert_eq!(with(&[EIGHT_GIB, groups, (own, unlimited)]), 2048 * MIB);
        assert_eq!(with(&[EIGHT_GIB, groups, (own, "1073741824\n")]), 256 * MIB);
        let root = ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n");
        assert_eq!(with(&[EIGHT_GIB, groups, root]), 128 * MIB, "of another machine's path");
    }
}
