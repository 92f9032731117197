//! `thalweg group`: consumer groups of every protocol, their members and their offsets.
//!
//! `member` is a member of our own, for `consume --group`; `reset` moves committed offsets.

pub mod member;
pub mod offsets;
mod reset;

use std::collections::{BTreeMap, BTreeSet};

use clap::Subcommand;
use serde_json::json;

use super::Failure;
use super::arguments::{Broker, Output};
use super::client::{Client, address_of, check};
use super::coordinator::Coordinator;
use super::table::Table;
use crate::wire::ErrorCode;
use crate::wire::messages::describe_groups_response::DescribedGroupMember;
use crate::wire::messages::{
    ConsumerGroupDescribeRequest, DeleteGroupsRequest, DescribeGroupsRequest, ListGroupsRequest,
    MetadataRequest,
};
use offsets::PartitionOf;
pub use reset::Reset;

#[derive(Debug, Subcommand)]
pub enum Group {
    /// List groups.
    #[command(after_help = "Example:\n  thalweg group list --output json")]
    List {
        #[command(flatten)]
        broker: Broker,
    },
    /// Show a group's members, and how far it is behind in each partition.
    #[command(after_help = "Example:\n  thalweg group describe billing")]
    Describe {
        group: String,
        #[command(flatten)]
        broker: Broker,
    },
    /// Move a group's offsets; without --execute, only show where they would be.
    #[command(
        after_help = "Example:\n  thalweg group reset-offsets billing --topic orders --to-earliest \
                      --execute"
    )]
    ResetOffsets(Reset),
    /// Delete groups that have no members, with their offsets.
    #[command(after_help = "Example:\n  thalweg group delete billing")]
    Delete {
        #[arg(required = true, value_name = "GROUP")]
        groups: Vec<String>,
        #[command(flatten)]
        broker: Broker,
    },
}

/// Runs one of the commands.
pub fn run(command: &Group) -> Result<u8, Failure> {
    match command {
        Group::List { broker } => list(broker),
        Group::Describe { group, broker } => describe(group, broker),
        Group::ResetOffsets(reset) => reset.run(),
        Group::Delete { groups, broker } => groups.iter().try_for_each(|one| delete(one, broker)),
    }
    .map(|()| 0)
}

/// Every broker knows the groups that it coordinates.
fn list(broker: &Broker) -> Result<(), Failure> {
    let mut client = Client::connect(&broker.bootstrap_server)?;
    let request = MetadataRequest::default().with_topics(Some(Vec::new()));
    let (_, metadata) = client.call(&request)?;
    let mut groups = BTreeMap::new();
    for one in &metadata.brokers {
        let address = address_of(one.host.as_str(), one.port);
        let asked = Client::connect_told(&address)?.call(&ListGroupsRequest::default())?;
        check(asked.1.error_code, None, &address)?;
        for group in asked.1.groups {
            groups.insert(group.group_id.0.to_string(), group);
        }
    }
    match broker.output {
        Output::Text => {
            let mut table = Table::new(&["group", "state", "type", "protocol"]);
            for (name, group) in &groups {
                table.row(vec![
                    name.clone(),
                    group.group_state.to_string(),
                    group.group_type.to_string(),
                    group.protocol_type.to_string(),
                ]);
            }
            println!("{table}");
        }
        Output::Json => {
            let groups = groups.iter().map(|(name, group)| {
                json!({
                    "group": name,
                    "state": group.group_state.as_str(),
                    "type": group.group_type.as_str(),
                    "protocol": group.protocol_type.as_str(),
                })
            });
            println!("{}", json!(groups.collect::<Vec<_>>()));
        }
    }
    Ok(())
}

/// A group, whatever protocol its members speak.
struct Described {
    state: String,
    /// How partitions are given out.
    assignor: String,
    members: Vec<Member>,
}

impl Described {
    /// Every partition that has an offset, or somebody who reads it.
    fn places(&self, committed: &Offsets) -> BTreeSet<PartitionOf> {
        let held = self.members.iter().flat_map(|member| &member.partitions);
        held.chain(committed.keys()).cloned().collect()
    }

    fn holder(&self, at: &PartitionOf) -> Option<&str> {
        let holds = |member: &&Member| member.partitions.contains(at);
        self.members
            .iter()
            .find(holds)
            .map(|member| member.id.as_str())
    }
}

struct Member {
    id: String,
    client: String,
    host: String,
    partitions: Vec<PartitionOf>,
}

fn describe(group: &str, broker: &Broker) -> Result<(), Failure> {
    let mut coordinator = Coordinator::connect(&broker.bootstrap_server, group)?;
    let found = described(&mut coordinator, group)?;
    let committed = offsets::committed(&mut coordinator)?;
    let places = found.places(&committed);
    let topics: Vec<&str> = offsets::topics_of(places.iter());
    let mut ends = BTreeMap::new();
    for topic in topics {
        let of_topic = offsets::at(&broker.bootstrap_server, topic, offsets::LATEST)?;
        ends.extend(of_topic);
    }
    match broker.output {
        Output::Text => print_described(group, &found, &committed, &ends),
        Output::Json => print_described_json(group, &found, &committed, &ends),
    }
    Ok(())
}

/// By the classic protocol's question first, then by that of KIP-848.
fn described(coordinator: &mut Coordinator, group: &str) -> Result<Described, Failure> {
    let request = DescribeGroupsRequest::default().with_groups(vec![coordinator.group_id()]);
    let first_code = |code: Option<i16>| code.unwrap_or_default();
    let reply = coordinator.ask(&request, i16::MAX, |reply| {
        first_code(reply.groups.first().map(|group| group.error_code))
    })?;
    let Some(found) = reply.groups.into_iter().next() else {
        return Err(unknown(group));
    };
    let absent = found.error_code == ErrorCode::GroupIdNotFound.code();
    if !absent && found.group_state.as_str() != "Dead" {
        check(found.error_code, found.error_message.as_deref(), group)?;
        return Ok(Described {
            state: found.group_state.to_string(),
            assignor: found.protocol_data.to_string(),
            members: found.members.iter().map(classic_member).collect(),
        });
    }
    let request =
        ConsumerGroupDescribeRequest::default().with_group_ids(vec![coordinator.group_id()]);
    let asked = coordinator.ask(&request, i16::MAX, |reply| {
        first_code(reply.groups.first().map(|group| group.error_code))
    });
    // A broker that does not know the newer question has no groups of that kind.
    let Some(found) = asked.ok().and_then(|reply| reply.groups.into_iter().next()) else {
        return Err(unknown(group));
    };
    if found.error_code == ErrorCode::GroupIdNotFound.code() {
        return Err(unknown(group));
    }
    check(found.error_code, found.error_message.as_deref(), group)?;
    let members = found.members.iter().map(|member| Member {
        id: member.member_id.to_string(),
        client: member.client_id.to_string(),
        host: member.client_host.to_string(),
        partitions: (member.assignment.topic_partitions.iter())
            .flat_map(|topic| {
                let name = topic.topic_name.0.to_string();
                let partitions = topic.partitions.iter();
                partitions.map(move |partition| (name.clone(), *partition))
            })
            .collect(),
    });
    Ok(Described {
        state: found.group_state.to_string(),
        assignor: found.assignor_name.to_string(),
        members: members.collect(),
    })
}

fn unknown(group: &str) -> Failure {
    Failure::failed(format!(
        "there is no group {group}; 'thalweg group list' shows those there are"
    ))
}

fn classic_member(member: &DescribedGroupMember) -> Member {
    Member {
        id: member.member_id.to_string(),
        client: member.client_id.to_string(),
        host: member.client_host.to_string(),
        // Members of other kinds than consumers are given what only they can read.
        partitions: crate::wire::membership::partitions_in(&member.member_assignment)
            .unwrap_or_default(),
    }
}

type Offsets = BTreeMap<PartitionOf, i64>;

fn print_described(group: &str, found: &Described, committed: &Offsets, ends: &Offsets) {
    println!(
        "Group: {group}  State: {}  Assignor: {}  Members: {}",
        found.state,
        if found.assignor.is_empty() {
            "none"
        } else {
            &found.assignor
        },
        found.members.len()
    );
    let mut table = Table::new(&["topic", "partition", "committed", "end", "lag", "member"]);
    let places = found.places(committed);
    let shown = |value: Option<i64>| value.map_or_else(|| "-".to_owned(), |it| it.to_string());
    for at in &places {
        let (offset, end) = (committed.get(at).copied(), ends.get(at).copied());
        table.row(vec![
            at.0.clone(),
            at.1.to_string(),
            shown(offset),
            shown(end),
            shown(lag(offset, end)),
            found.holder(at).unwrap_or("-").to_owned(),
        ]);
    }
    if !places.is_empty() {
        println!("{table}");
    }
}

fn lag(committed: Option<i64>, end: Option<i64>) -> Option<i64> {
    Some(end? - committed?)
}

fn print_described_json(group: &str, found: &Described, committed: &Offsets, ends: &Offsets) {
    let members = found.members.iter().map(|member| {
        json!({
            "member": member.id,
            "client": member.client,
            "host": member.host,
            "partitions": member.partitions,
        })
    });
    let places = found.places(committed);
    let offsets = places.iter().map(|at| {
        let (offset, end) = (committed.get(at).copied(), ends.get(at).copied());
        json!({
            "topic": at.0,
            "partition": at.1,
            "committed": offset,
            "end": end,
            "lag": lag(offset, end),
            "member": found.holder(at),
        })
    });
    let members: Vec<_> = members.collect();
    let offsets: Vec<_> = offsets.collect();
    println!(
        "{}",
        json!({
            "group": group,
            "state": found.state,
            "assignor": found.assignor,
            "members": members,
            "offsets": offsets,
        })
    );
}

fn delete(group: &str, broker: &Broker) -> Result<(), Failure> {
    let mut coordinator = Coordinator::connect(&broker.bootstrap_server, group)?;
    let request = DeleteGroupsRequest::default().with_groups_names(vec![coordinator.group_id()]);
    let reply = coordinator.ask(&request, i16::MAX, |reply| {
        reply.results.first().map_or(0, |result| result.error_code)
    })?;
    for result in &reply.results {
        check(result.error_code, None, &format!("group {group}"))?;
    }
    match broker.output {
        Output::Text => println!("Deleted group {group}."),
        Output::Json => println!("{}", json!({ "deleted": group })),
    }
    Ok(())
}
