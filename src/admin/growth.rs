//! CreatePartitions: a topic that is to grow, as a command.

use crate::cluster::{Command, Metadata, Placement, Refusal};
use crate::wire::messages::create_partitions_request::CreatePartitionsTopic;

use super::error::AdminError;
use super::placement::Site;

/// The command that would raise the topic to its new number of partitions. Shard 0 decides again:
/// another request may have been faster.
pub fn growth(
    wanted: &CreatePartitionsTopic,
    known: &Metadata,
    site: Site<'_>,
) -> Result<Command, AdminError> {
    let topic = known.topic(&wanted.name).ok_or(Refusal::UnknownTopic)?;
    let now = topic.partition_count();
    let total = u32::try_from(wanted.count)
        .ok()
        .filter(|total| *total > now);
    let total = total.ok_or_else(|| {
        AdminError::Partitions(format!(
            "the topic has {now} partitions and can only grow: {} is not more",
            wanted.count
        ))
    })?;
    let placement = match &wanted.assignments {
        None => Placement::Spread,
        Some(assignments) => {
            let (added, found) = ((total - now) as usize, assignments.len());
            if added != found {
                return Err(AdminError::Assignment(format!(
                    "{added} partitions are to be added, but {found} are assigned"
                )));
            }
            let shards = assignments.iter().map(|one| site.replica(&one.broker_ids));
            site.placement(shards.collect::<Result<_, _>>()?)
        }
    };
    Ok(Command::CreatePartitions {
        id: topic.id,
        total,
        placement,
    })
}
