//! Assignments of replicas, as clients write them, to shards.

use crate::base::{NodeId, ShardId};
use crate::cluster::Placement;
use crate::wire::messages::BrokerId;

use super::error::AdminError;

/// Where new partitions can go.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    pub node: NodeId,
    /// All shards of the node.
    pub shards: &'a [ShardId],
    /// Partitions of a topic that asks for no number (`num.partitions`).
    pub partitions: u32,
}

impl Site<'_> {
    /// The shard that a broker id names.
    fn shard(&self, broker: BrokerId) -> Option<ShardId> {
        let shard = broker.0.checked_sub(self.node.broker_id())?;
        let shard = ShardId(u16::try_from(shard).ok()?);
        self.shards.contains(&shard).then_some(shard)
    }

    /// The node that a broker's name stands for: any id of ours is this node's.
    pub fn broker(&self, name: &str) -> Result<NodeId, AdminError> {
        let Ok(id) = name.parse::<i32>() else {
            let words = format!("Broker id must be an integer, but it is: {name}");
            return Err(AdminError::Request(words));
        };
        match self.shard(BrokerId(id)) {
            Some(_) => Ok(self.node),
            None => Err(AdminError::Request(format!(
                "Unexpected broker id, expected {} or empty string, but received {name}",
                self.node.broker_id()
            ))),
        }
    }

    /// The one shard that a partition's list of replicas names.
    pub fn replica(&self, brokers: &[BrokerId]) -> Result<ShardId, AdminError> {
        let refuse = |words: String| Err(AdminError::Assignment(words));
        for (place, broker) in brokers.iter().enumerate() {
            if brokers[..place].contains(broker) {
                return refuse(format!("broker {} is listed twice", broker.0));
            }
            if self.shard(*broker).is_none() {
                return refuse(format!("there is no broker {}", broker.0));
            }
        }
        let Some(first) = brokers.first() else {
            return refuse("the list of replicas is empty".to_owned());
        };
        match (brokers.len(), self.shard(*first)) {
            (1, Some(shard)) => Ok(shard),
            (_, _) => refuse(
                "these brokers are one process, and two replicas never share one: name one of them"
                    .to_owned(),
            ),
        }
    }

    /// Partitions, in order, on these shards. The id of the node itself, which is also shard 0's,
    /// leaves the choice to us if nothing else is named.
    pub fn placement(&self, shards: Vec<ShardId>) -> Placement {
        match shards.iter().all(|shard| *shard == ShardId::ZERO) {
            true => Placement::Spread,
            false => Placement::Listed(shards),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(brokers: &[i32]) -> Result<ShardId, AdminError> {
        let site = Site {
            node: NodeId(1),
            shards: &[ShardId(0), ShardId(1)],
            partitions: 1,
        };
        let brokers: Vec<BrokerId> = brokers.iter().map(|id| BrokerId(*id)).collect();
        site.replica(&brokers)
    }

    #[test]
    fn a_replica_is_one_known_broker() {
        assert_eq!(replica(&[1001]), Ok(ShardId(1)));
        for wrong in [
            &[][..],
            &[7],
            &[1002],
            &[999],
            &[i32::MIN],
            &[1000, 1000],
            &[1000, 1001],
        ] {
            let refused = matches!(replica(wrong), Err(AdminError::Assignment(_)));
            assert!(refused, "{wrong:?}");
        }
    }
}
