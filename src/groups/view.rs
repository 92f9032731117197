//! What DescribeGroups and ListGroups show of a group.

use bytes::Bytes;

use super::ask::{Described, DescribedMember, Listed};
use super::group::{Group, State};
use super::member::Member;

impl Group {
    /// Metadata and assignments are shown of stable groups only: before, they are not agreed on.
    pub fn described(&self) -> Described {
        let protocol = self
            .protocol
            .clone()
            .filter(|_| self.state == State::Stable);
        let member = |member: &Member| DescribedMember {
            member: member.id.clone(),
            instance: member.instance.clone(),
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
            metadata: protocol
                .as_ref()
                .map_or_else(Bytes::new, |name| member.metadata(name)),
            assignment: match protocol {
                Some(_) => member.assignment.clone(),
                None => Bytes::new(),
            },
        };
        Described {
            state: self.state.name(),
            protocol_type: self.protocol_type.clone(),
            members: self.members.values().map(member).collect(),
            protocol,
        }
    }

    /// Filters name states and types in any case; an empty one lets all pass.
    pub fn listed(&self, states: &[String], types: &[String]) -> Option<Listed> {
        let names = |filter: &[String], name: &str| {
            filter.is_empty()
                || filter
                    .iter()
                    .any(|word| word.trim().eq_ignore_ascii_case(name))
        };
        let state = self.state.name();
        (names(states, state) && names(types, "classic")).then(|| Listed {
            group: self.id.clone(),
            protocol_type: self.protocol_type.clone(),
            state,
        })
    }
}
