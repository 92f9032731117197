//! In a container, who comes from its gateway came by a published port, and is told `localhost`;
//! whoever else comes is told the address that he reached. Over real sockets: a link of two network
//! namespaces, the "host" a thread of ours, the "container" the broker's own, with a mark that
//! Docker or Podman leaves. Both end with their processes. That takes root; without it these tests
//! say so and pass.

use std::fs;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;

use thalweg::wire::StrBytes;
use thalweg::wire::messages::{DescribeClusterRequest, FindCoordinatorRequest};

use super::support::{Broker, Client, Scratch, system, wait_for};

const PORT: u16 = 9092;
/// The gateway, somebody else on its side, and the container; by family.
const PLACES: [[&str; 3]; 2] = [
    ["10.77.0.1", "10.77.0.9", "10.77.0.2"],
    ["fd77::1", "fd77::9", "fd77::2"],
];

/// What happens in the container before the broker. Its root has the folders of ours and no file
/// (we may be in a container ourselves, and have its mark) but `$0`, unless that is empty.
const CONTAINER: &str = r#"
set -e
mount -t tmpfs none /run
mkdir -p /run/within/run
for top in /*; do
    if [ -L "$top" ]; then
        cp -P "$top" "/run/within$top"
    elif [ -d "$top" ] && [ "$top" != /run ]; then
        mkdir "/run/within$top"
        mount --rbind "$top" "/run/within$top"
    fi
done
[ -z "$0" ] || touch "/run/within/$0"
read -r linked
ip link set lo up
ip addr add 10.77.0.2/24 dev inside
ip addr add fd77::2/64 dev inside nodad
ip link set inside up
ip route add default via 10.77.0.1
ip -6 route add default via fd77::1
exec chroot /run/within "$@"
"#;

fn ip(line: &str) {
    let output = Command::new("ip").args(line.split_whitespace()).output();
    let output = output.expect("iproute2 is installed");
    assert!(output.status.success(), "ip {line}: {output:?}");
}

/// A broker in a container with this mark, told what to listen on.
fn start(scratch: &Scratch, mark: &str, flags: &[&str]) -> Broker {
    let data_dir = scratch.path("data");
    let mut command = Command::new("unshare");
    // The broker takes the place, and the process id, of the shell.
    command.args(["--net", "--mount", "sh", "-c", CONTAINER, mark]);
    command.arg(env!("CARGO_BIN_EXE_thalweg"));
    command.args(["serve", "--cores", "2", "--allow-buffered", "--data-dir"]);
    command.arg(&data_dir).args(flags).stdin(Stdio::piped());
    command.env_remove("KUBERNETES_SERVICE_HOST");
    system::die_with_parent(&mut command);
    let known = SocketAddr::new(address(PLACES[0][2]), PORT);
    Broker::start_prepared(&data_dir, command, link, |_| Some(known))
}

/// Gives the container its end of a new link.
fn link(child: &mut Child) {
    let pid = child.id();
    let own = fs::read_link("/proc/thread-self/ns/net").expect("this thread has one");
    wait_for("a network namespace of the container's", || {
        let there = fs::read_link(format!("/proc/{pid}/ns/net")).expect("it runs");
        (there != own).then_some(())
    });
    ip(&format!(
        "link add outside type veth peer name inside netns {pid}"
    ));
    ip("link set outside up");
    for [gateway, other, _] in PLACES {
        let bits = if gateway.contains(':') {
            "64 nodad"
        } else {
            "24"
        };
        ip(&format!("addr add {gateway}/{bits} dev outside"));
        ip(&format!("addr add {other}/{bits} dev outside"));
    }
    let mut input: ChildStdin = child.stdin.take().expect("piped");
    input.write_all(b"linked\n").expect("it waits for this");
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// Host and port that a client from `source` is told, which must be the same in every reply.
fn told(source: &str, broker: &str) -> (String, u16) {
    let broker = SocketAddr::new(address(broker), PORT);
    let mut client = Client::try_connect_from(address(source), broker).expect("it listens");
    let metadata = client.try_metadata().expect("an answer").brokers;
    let cluster = client.call(&DescribeClusterRequest::default(), 0).brokers;
    let group = FindCoordinatorRequest::default().with_key(StrBytes::from_static_str("group"));
    let coordinator = wait_for("a coordinator", || {
        let reply = client.call(&group, 3);
        (reply.error_code == 0).then_some(reply)
    });

    let mut all = vec![(coordinator.host.to_string(), coordinator.port)];
    all.extend(metadata.iter().map(|one| (one.host.to_string(), one.port)));
    all.extend(cluster.iter().map(|one| (one.host.to_string(), one.port)));
    assert!(all.len() > 2, "{all:?}");
    assert!(all.iter().all(|one| *one == all[0]), "{all:?}");
    let (host, port) = all.remove(0);
    (host, u16::try_from(port).expect("a port"))
}

/// What the gateway and somebody else are told, family by family.
fn check(mark: &str, flags: &[&str], families: &[usize], gateway: Option<&str>) {
    let scratch = Scratch::new("gateway");
    let broker = start(&scratch, mark, flags);
    for family in families {
        let [from_gateway, from_other, container] = PLACES[*family];
        let reached = (container.to_owned(), PORT);
        let wanted = gateway.map_or(reached.clone(), |host| (host.to_owned(), PORT));
        assert_eq!(told(from_gateway, container), wanted, "{mark} {flags:?}");
        assert_eq!(told(from_other, container), reached, "{mark} {flags:?}");
    }
    assert_eq!(broker.stop().0, Some(0));
}

#[test]
fn a_containers_gateway_is_told_localhost_and_others_the_address_that_they_reached() {
    if !system::is_root() {
        println!("SKIPPED a_containers_gateway: only root may make network namespaces");
        return;
    }
    // The namespace is of this thread alone, and of the children that it starts.
    let host = thread::spawn(|| {
        system::leave_network();
        let four = ["--listen", "0.0.0.0:9092"];
        check(".dockerenv", &four, &[0], Some("localhost"));
        let both = ["--listen", "[::]:9092"];
        check("run/.containerenv", &both, &[0, 1], Some("localhost"));
        // The same routes outside of a container mean nothing.
        check("", &four, &[0], None);
    });
    host.join().expect("the host's part");
}

#[test]
fn what_is_advertised_goes_before_the_gateway() {
    if !system::is_root() {
        println!("SKIPPED what_is_advertised: only root may make network namespaces");
        return;
    }
    let host = thread::spawn(|| {
        system::leave_network();
        let scratch = Scratch::new("gateway-advertised");
        let flags = [
            "--listen",
            "0.0.0.0:9092",
            "--advertise",
            "queue.example:7000",
        ];
        let broker = start(&scratch, ".dockerenv", &flags);
        for source in &PLACES[0][..2] {
            let wanted = ("queue.example".to_owned(), 7000);
            assert_eq!(told(source, PLACES[0][2]), wanted);
        }
        assert_eq!(broker.stop().0, Some(0));
    });
    host.join().expect("the host's part");
}
