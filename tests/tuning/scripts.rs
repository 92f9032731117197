//! The scripts do what their heads say, and undo it: on files that stand for the kernel's, in
//! namespaces that end with the shell, so that this machine stays as it is.

use std::process::{Command, Stdio};

use super::support::{Scratch, system};
use super::tuning;

/// What `lines` print, run by a shell as root in mount and network namespaces of its own. There
/// `$scratch` is an empty folder, `$tuning` the folder of the scripts, and `over FOLDER` puts an
/// empty one over one of the kernel's. None: not on this machine, and why is printed.
fn said_by(name: &str, lines: &str) -> Option<String> {
    if !system::is_root() {
        println!("SKIPPED {name}: only root may make namespaces");
        return None;
    }
    let scratch = Scratch::new(&format!("tuning-{name}"));
    let mut command = Command::new("unshare");
    let head = "scratch=$1 tuning=$2; over() { mount -t tmpfs none \"$1\"; }";
    command.args(["--mount", "--net", "sh", "-euc"]);
    command.arg(format!("{head}\n{lines}")).arg("sh");
    command.arg(scratch.path("")).arg(tuning("."));
    command.stdin(Stdio::null());
    system::die_with_parent(&mut command);
    let output = command.output().expect("there is an unshare");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {output:?}\n{errors}");
    Some(String::from_utf8(output.stdout).expect("text"))
}

#[test]
fn the_governor_and_deep_sleep_are_set_and_given_back() {
    let Some(said) = said_by(
        "cpu",
        r#"
        cpu=/sys/devices/system/cpu
        over $cpu
        cd $cpu
        mkdir -p cpu0/cpufreq cpu1/cpufreq cpu0/cpuidle/state0 cpu0/cpuidle/state1
        for one in cpu0 cpu1; do echo ondemand >$one/cpufreq/scaling_governor; done
        echo performance schedutil >cpu0/cpufreq/scaling_available_governors
        echo performance powersave >cpu1/cpufreq/scaling_available_governors
        echo 10 >cpu0/cpuidle/state0/latency
        echo 11 >cpu0/cpuidle/state1/latency
        for one in state0 state1; do echo 0 >cpu0/cpuidle/$one/disable; done
        for word in '' no-sleep undo; do
            sh "$tuning/cpu.sh" $word
            echo $(cat cpu*/cpufreq/scaling_governor cpu0/cpuidle/*/disable)
        done"#,
    ) else {
        return;
    };

    assert_eq!(
        said.lines().collect::<Vec<_>>(),
        [
            "performance performance 0 0",
            "performance performance 0 1",
            "schedutil powersave 0 0"
        ]
    );
}

#[test]
fn the_interrupts_of_one_card_go_to_the_processors_that_are_named() {
    let Some(said) = said_by(
        "irq",
        r#"
        over /sys/class/net
        over /proc/irq
        mkdir -p /sys/class/net/here0/device/msi_irqs /sys/class/net/other0/device/msi_irqs
        touch /sys/class/net/here0/device/msi_irqs/41 /sys/class/net/here0/device/msi_irqs/43
        touch /sys/class/net/other0/device/msi_irqs/42
        for irq in 41 42 43; do
            mkdir /proc/irq/$irq
            echo 0-63 >/proc/irq/$irq/smp_affinity_list
        done
        sh "$tuning/irq.sh" here0 0-1
        cat /proc/irq/*/smp_affinity_list"#,
    ) else {
        return;
    };

    let moved = "2 interrupts of here0 on processors 0-1";
    assert_eq!(
        said.lines().collect::<Vec<_>>(),
        [moved, "0-1", "0-63", "0-1"]
    );
}

#[test]
fn the_scheduler_and_the_timer_that_were_there_come_back() {
    let Some(said) = said_by(
        "nvme",
        r#"
        over /sys/block
        over /var/lib
        mkdir -p /sys/block/disk0/queue "$scratch/bin"
        # Stands for the real one, which must not hear of this.
        cat >"$scratch/bin/systemctl" <<END
#!/bin/sh
case "\$1" in
    is-enabled) [ -f "$scratch/enabled" ] ;;
    enable) touch "$scratch/enabled" ;;
    disable) rm "$scratch/enabled" ;;
esac
END
        chmod +x "$scratch/bin/systemctl"
        PATH="$scratch/bin:$PATH"
        export PATH
        timer() { [ -f "$scratch/enabled" ] && echo timer || echo no timer; }

        echo 'none [mq-deadline] kyber' >/sys/block/disk0/queue/scheduler
        sh "$tuning/nvme.sh" disk0
        timer
        # The second run must not take what the first has set for what was there.
        sh "$tuning/nvme.sh" disk0
        sh "$tuning/nvme.sh" disk0 undo
        timer
        ls /var/lib/thalweg-tuning

        touch "$scratch/enabled"
        echo '[kyber] none' >/sys/block/disk0/queue/scheduler
        sh "$tuning/nvme.sh" disk0
        sh "$tuning/nvme.sh" disk0 undo
        timer"#,
    ) else {
        return;
    };

    assert_eq!(
        said.lines().collect::<Vec<_>>(),
        [
            "none",
            "timer",
            "none",
            "mq-deadline",
            "no timer",
            // A timer that was there before stays.
            "none",
            "kyber",
            "timer"
        ]
    );
}

#[test]
fn the_networks_settings_are_raised_and_come_back_to_linuxs_defaults() {
    let Some(said) = said_by(
        "network",
        r#"
        cd /proc/sys/net
        if ! command -v sysctl >/dev/null || ! [ -w core/somaxconn ]; then
            echo SKIPPED
            exit
        fi
        for word in '' undo; do
            sh "$tuning/network.sh" $word >/dev/null
            echo $(cat core/somaxconn ipv4/tcp_max_syn_backlog ipv4/tcp_rmem ipv4/tcp_wmem \
                ipv4/tcp_slow_start_after_idle)
        done"#,
    ) else {
        return;
    };

    if said == "SKIPPED\n" {
        println!("SKIPPED network: no sysctl here, or nothing that it could set");
        return;
    }
    assert_eq!(
        said.lines().collect::<Vec<_>>(),
        [
            "16384 16384 4096 131072 33554432 4096 16384 33554432 0",
            "4096 1024 4096 131072 6291456 4096 16384 4194304 1"
        ]
    );
}
