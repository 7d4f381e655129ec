"""Docker's default seccomp profile: which system calls a container may make.

The strictness is that of Docker's documentation (docs.docker.com/engine/security/seccomp): an
allow-list; some calls only with the capability that would let them do something; everything else
EPERM. What makes namespaces is denied to those who lack CAP_SYS_ADMIN, clone3 with ENOSYS,
because a filter cannot look into its argument and libc falls back to clone. Address families with
a history (AF_ALG, AF_VSOCK) and the kernel's keyrings, which no namespace divides, are out.
"""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Socket(2) itself is judged by its address family
_SOCKETS = """
accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg
recvmmsg_time64 recvmsg send sendmmsg sendmsg sendto setsockopt shutdown socketcall socketpair
"""
# Events, time and timers
_WAITING = """
_newselect adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64
clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64 epoll_create
epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old
eventfd eventfd2 fanotify_mark getitimer gettimeofday inotify_add_watch inotify_init
inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents
io_pgetevents_time64 io_setup io_submit nanosleep pause poll ppoll ppoll_time64 pselect6
pselect6_time64 select setitimer signalfd signalfd4 time timer_create timer_delete
timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create
timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times
"""
# System V and POSIX message passing, shared memory
_IPC = """
ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend
mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop semtimedop
semtimedop_time64 shmat shmctl shmdt shmget
"""
# Address space
_MEMORY = """
brk madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2
mlockall mmap mmap2 mprotect mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free
pkey_mprotect process_mrelease remap_file_pages
"""
# Processes, scheduling, signals, identity
_PROCESSES = """
capget capset execve execveat exit exit_group fork futex futex_requeue futex_time64 futex_wait
futex_waitv futex_wake get_robust_list get_thread_area getcpu getegid getegid32 geteuid
geteuid32 getgid getgid32 getgroups getgroups32 getpgid getpgrp getpid getppid getpriority
getresgid getresgid32 getresuid getresuid32 getrlimit getrusage getsid gettid getuid getuid32
ioprio_get ioprio_set kill landlock_add_rule landlock_create_ruleset landlock_restrict_self
pidfd_open pidfd_send_signal prctl prlimit64 process_vm_readv process_vm_writev ptrace
restart_syscall rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn
rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_get_priority_max
sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler
sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr
sched_setparam sched_setscheduler sched_yield seccomp set_robust_list set_thread_area
set_tid_address setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32
setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid
setreuid32 setrlimit setsid setuid setuid32 sigaltstack sigprocmask sigreturn sysinfo tgkill
tkill ugetrlimit umask uname uretprobe vfork wait4 waitid waitpid
"""
# Files, folders, pipes and what they carry
_FILES = """
_llseek access cachestat chdir chmod chown chown32 close close_range copy_file_range creat dup
dup2 dup3 faccessat faccessat2 fadvise64 fadvise64_64 fallocate fchdir fchmod fchmodat
fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock
fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64
futimesat getcwd getdents getdents64 getrandom getxattr getxattrat ioctl lchown lchown32
lgetxattr link linkat listmount listxattr listxattrat llistxattr lremovexattr lseek lsetxattr
lstat lstat64 mkdir mkdirat mknod mknodat name_to_handle_at newfstatat open openat openat2
pipe pipe2 pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readahead readlink readlinkat
readv removexattr removexattrat rename renameat renameat2 rmdir sendfile sendfile64 setxattr
setxattrat splice stat stat64 statfs statfs64 statmount statx symlink symlinkat sync
sync_file_range syncfs tee truncate truncate64 unlink unlinkat utime utimensat
utimensat_time64 utimes vmsplice write writev
"""
# Calls that single architectures have
_ARCHITECTURE = """
arch_prctl arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush modify_ldt set_tls
sync_file_range2
"""
_ALWAYS = (_SOCKETS, _WAITING, _IPC, _MEMORY, _PROCESSES, _FILES, _ARCHITECTURE)

_WITH_CAPABILITY = (
    ("CAP_DAC_READ_SEARCH", "open_by_handle_at"),
    (
        "CAP_SYS_ADMIN",
        "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie "
        "lsm_get_self_attr lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount "
        "open_tree perf_event_open quotactl quotactl_fd setdomainname sethostname setns syslog "
        "umount umount2 unshare",
    ),
    ("CAP_SYS_BOOT", "reboot"),
    ("CAP_SYS_CHROOT", "chroot"),
    ("CAP_SYS_MODULE", "delete_module finit_module init_module"),
    ("CAP_SYS_PACCT", "acct"),
    ("CAP_SYS_PTRACE", "kcmp pidfd_getfd process_madvise"),
    ("CAP_SYS_RAWIO", "ioperm iopl"),
    ("CAP_SYS_TIME", "clock_settime clock_settime64 settimeofday stime"),
    ("CAP_SYS_TTY_CONFIG", "vhangup"),
    ("CAP_SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"),
    ("CAP_SYSLOG", "syslog"),
    ("CAP_BPF", "bpf"),
    ("CAP_PERFMON", "perf_event_open"),
)

# CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET: linux/sched.h
_NAMESPACE_FLAGS = 0x7E020000
_AF_ALG, _AF_VSOCK = 38, 40
# PER_LINUX, PER_LINUX32, both with UNAME26, and the question what it is: linux/personality.h
_PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)

_ARCHITECTURES = {
    "x86_64": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    "aarch64": ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
}


def default_seccomp(capabilities: frozenset[str]) -> dict[str, Any]:
    """Return ``linux.seccomp`` for a container whose bounding set is ``capabilities``."""
    names = " ".join(_ALWAYS).split()
    for capability, calls in _WITH_CAPABILITY:
        if capability in capabilities:
            names += calls.split()
    rules = [_allow(sorted(set(names))), *_sockets(), *_personalities()]
    if "CAP_SYS_ADMIN" not in capabilities:
        rules += _clone()
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": errno.EPERM,
        "architectures": _ARCHITECTURES.get(os.uname().machine, []),
        "syscalls": rules,
    }


def _allow(names: list[str], *conditions: dict[str, Any]) -> dict[str, Any]:
    rule: dict[str, Any] = {"names": names, "action": "SCMP_ACT_ALLOW"}
    if conditions:
        rule["args"] = list(conditions)
    return rule


def _argument(index: int, op: str, value: int) -> dict[str, Any]:
    return {"index": index, "op": f"SCMP_CMP_{op}", "value": value, "valueTwo": 0}


def _sockets() -> list[dict[str, Any]]:
    return [
        _allow(["socket"], _argument(0, "LT", _AF_ALG)),
        _allow(["socket"], _argument(0, "EQ", _AF_ALG + 1)),
        _allow(["socket"], _argument(0, "GT", _AF_VSOCK)),
    ]


def _personalities() -> list[dict[str, Any]]:
    return [_allow(["personality"], _argument(0, "EQ", value)) for value in _PERSONALITIES]


def _clone() -> list[dict[str, Any]]:
    return [
        _allow(["clone"], _argument(0, "MASKED_EQ", _NAMESPACE_FLAGS)),
        {"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": errno.ENOSYS},
    ]
