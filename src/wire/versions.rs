//! Which APIs exist, in which versions, and which of them are switched on.
//!
//! The ranges are those that Apache Kafka 4.1 advertises. kafka-protocol 0.18 decodes every
//! one of them; a test compares them with its own ranges.

use super::ApiKey;
use super::messages::api_versions_response::ApiVersion;

/// The first and the last version, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    pub min: i16,
    pub max: i16,
}

impl Versions {
    pub const fn contains(self, version: i16) -> bool {
        self.min <= version && version <= self.max
    }
}

/// What is known of one API.
#[derive(Clone, Copy, Debug)]
pub struct Api {
    pub key: ApiKey,
    /// What ApiVersions says.
    pub advertised: Versions,
    /// What is decoded. Differs for Produce only: librdkafka before 2.11 switches features on
    /// by exact versions, Produce 2 among them, which Kafka 4 advertises and refuses.
    pub accepted: Versions,
    /// The first version with compact lengths and tagged fields; `i16::MAX` for never.
    pub flexible_since: i16,
}

impl Api {
    pub const fn is_flexible(&self, version: i16) -> bool {
        version >= self.flexible_since
    }
}

const NEVER: i16 = i16::MAX;

const fn api(key: ApiKey, min: i16, max: i16, flexible_since: i16) -> Api {
    let range = Versions { min, max };
    Api {
        key,
        advertised: range,
        accepted: range,
        flexible_since,
    }
}

const PRODUCE: Api = Api {
    key: ApiKey::Produce,
    advertised: Versions { min: 0, max: 13 },
    accepted: Versions { min: 3, max: 13 },
    flexible_since: 9,
};

/// Every API that this room decodes, in the order of the keys. Existing here does not mean
/// being served: that is `ApiSet`.
pub const APIS: &[Api] = &[
    PRODUCE,
    api(ApiKey::Fetch, 4, 18, 12),
    api(ApiKey::ListOffsets, 1, 10, 6),
    api(ApiKey::Metadata, 0, 13, 9),
    // Version 10 carries topic ids; the crate's messages stop at 9, as Kafka 4.1 does.
    api(ApiKey::OffsetCommit, 2, 9, 8),
    api(ApiKey::OffsetFetch, 1, 9, 6),
    api(ApiKey::FindCoordinator, 0, 6, 3),
    api(ApiKey::JoinGroup, 0, 9, 6),
    api(ApiKey::Heartbeat, 0, 4, 4),
    api(ApiKey::LeaveGroup, 0, 5, 4),
    api(ApiKey::SyncGroup, 0, 5, 4),
    api(ApiKey::DescribeGroups, 0, 6, 5),
    api(ApiKey::ListGroups, 0, 5, 3),
    api(ApiKey::SaslHandshake, 0, 1, NEVER),
    api(ApiKey::ApiVersions, 0, 4, 3),
    api(ApiKey::CreateTopics, 2, 7, 5),
    api(ApiKey::DeleteTopics, 1, 6, 4),
    api(ApiKey::DeleteRecords, 0, 2, 2),
    api(ApiKey::InitProducerId, 0, 5, 2),
    api(ApiKey::OffsetForLeaderEpoch, 2, 4, 4),
    api(ApiKey::DescribeAcls, 1, 3, 2),
    api(ApiKey::CreateAcls, 1, 3, 2),
    api(ApiKey::DeleteAcls, 1, 3, 2),
    api(ApiKey::DescribeConfigs, 1, 4, 4),
    api(ApiKey::AlterConfigs, 0, 2, 2),
    api(ApiKey::DescribeLogDirs, 1, 4, 2),
    api(ApiKey::SaslAuthenticate, 0, 2, 2),
    api(ApiKey::CreatePartitions, 0, 3, 2),
    api(ApiKey::DeleteGroups, 0, 2, 2),
    api(ApiKey::ElectLeaders, 0, 2, 2),
    api(ApiKey::IncrementalAlterConfigs, 0, 1, 1),
    api(ApiKey::AlterPartitionReassignments, 0, 1, 0),
    api(ApiKey::ListPartitionReassignments, 0, 0, 0),
    api(ApiKey::OffsetDelete, 0, 0, NEVER),
    api(ApiKey::DescribeClientQuotas, 0, 1, 1),
    api(ApiKey::DescribeUserScramCredentials, 0, 0, 0),
    api(ApiKey::DescribeQuorum, 0, 2, 0),
    api(ApiKey::UpdateFeatures, 0, 2, 0),
    api(ApiKey::DescribeCluster, 0, 2, 0),
    api(ApiKey::DescribeProducers, 0, 0, 0),
    api(ApiKey::DescribeTransactions, 0, 0, 0),
    api(ApiKey::ListTransactions, 0, 2, 0),
    api(ApiKey::ListConfigResources, 0, 1, 0),
    api(ApiKey::DescribeTopicPartitions, 0, 0, 0),
];

/// The API with this key, if this room decodes it.
pub fn find(key: i16) -> Option<&'static Api> {
    APIS.iter().find(|api| api.key as i16 == key)
}

/// The APIs that are switched on, as one bit per key below 128.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiSet(u128);

impl ApiSet {
    pub const EMPTY: ApiSet = ApiSet(0);

    /// What a produce-and-fetch broker serves. FindCoordinator is among them because old
    /// librdkafka takes its absence for a broker of before 0.8.2.
    pub const ENGINE: ApiSet = ApiSet::EMPTY
        .with(ApiKey::Produce)
        .with(ApiKey::Fetch)
        .with(ApiKey::ListOffsets)
        .with(ApiKey::Metadata)
        .with(ApiKey::FindCoordinator)
        .with(ApiKey::ApiVersions)
        .with(ApiKey::CreateTopics)
        .with(ApiKey::DeleteTopics)
        .with(ApiKey::InitProducerId)
        .with(ApiKey::DescribeCluster)
        .with(ApiKey::JoinGroup)
        .with(ApiKey::SyncGroup)
        .with(ApiKey::Heartbeat)
        .with(ApiKey::LeaveGroup)
        .with(ApiKey::OffsetCommit)
        .with(ApiKey::OffsetFetch)
        .with(ApiKey::OffsetDelete)
        .with(ApiKey::DescribeGroups)
        .with(ApiKey::ListGroups)
        .with(ApiKey::DeleteGroups)
        .with(ApiKey::DescribeConfigs)
        .with(ApiKey::AlterConfigs)
        .with(ApiKey::IncrementalAlterConfigs)
        .with(ApiKey::ListConfigResources)
        .with(ApiKey::CreatePartitions)
        .with(ApiKey::DeleteRecords)
        .with(ApiKey::OffsetForLeaderEpoch)
        .with(ApiKey::DescribeTopicPartitions)
        .with(ApiKey::DescribeProducers)
        .with(ApiKey::DescribeTransactions)
        .with(ApiKey::ListTransactions)
        .with(ApiKey::DescribeLogDirs)
        .with(ApiKey::DescribeQuorum)
        .with(ApiKey::ElectLeaders)
        .with(ApiKey::AlterPartitionReassignments)
        .with(ApiKey::ListPartitionReassignments)
        .with(ApiKey::UpdateFeatures)
        .with(ApiKey::DescribeAcls)
        .with(ApiKey::CreateAcls)
        .with(ApiKey::DeleteAcls)
        .with(ApiKey::DescribeClientQuotas)
        .with(ApiKey::DescribeUserScramCredentials);

    pub const fn with(self, key: ApiKey) -> ApiSet {
        ApiSet(self.0 | Self::bit(key as i16))
    }

    pub const fn contains(self, key: ApiKey) -> bool {
        self.0 & Self::bit(key as i16) != 0
    }

    const fn bit(key: i16) -> u128 {
        if key < 0 {
            return 0;
        }
        match 1u128.checked_shl(key as u32) {
            Some(bit) => bit,
            None => 0,
        }
    }

    /// The list that an ApiVersions reply carries.
    pub fn advertised(self) -> Vec<ApiVersion> {
        let on = APIS.iter().filter(|api| self.contains(api.key));
        on.map(advertisement).collect()
    }
}

pub(super) fn advertisement(api: &Api) -> ApiVersion {
    ApiVersion::default()
        .with_api_key(api.key as i16)
        .with_min_version(api.advertised.min)
        .with_max_version(api.advertised.max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_is_one_that_the_crate_decodes() {
        for api in APIS {
            let theirs = api.key.valid_versions();

            assert!(theirs.min <= api.accepted.min, "{:?}", api.key);
            assert!(api.accepted.max <= theirs.max, "{:?}", api.key);
        }
    }

    #[test]
    fn flexible_versions_are_those_of_the_crate() {
        for api in APIS {
            for version in api.accepted.min..=api.accepted.max {
                let header = api.key.request_header_version(version);

                assert_eq!(
                    api.is_flexible(version),
                    header == 2,
                    "{:?} {version}",
                    api.key
                );
            }
        }
    }

    #[test]
    fn old_librdkafka_finds_the_exact_versions_that_it_looks_for() {
        let wanted = [
            (0, 2),
            (0, 3),
            (0, 7),
            (1, 4),
            (1, 10),
            (10, 0),
            (2, 1),
            (22, 0),
            (18, 0),
        ];
        let list = ApiSet::ENGINE.advertised();

        for (key, version) in wanted {
            let row = list
                .iter()
                .find(|row| row.api_key == key)
                .expect("advertised");
            assert!(
                (row.min_version..=row.max_version).contains(&version),
                "{key} {version}"
            );
        }
    }
}
