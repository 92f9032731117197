//! What a broker is started with of `listeners` and what belongs to it, with places in its file.

use crate::admin::listener_key::is_for_controllers;
use crate::admin::listeners::{Wrong, of_start};
use crate::admin::{BrokerConfig, InForce, ListenAt, ListenerKey};

use super::Failure;
use super::config_file::Places;

/// At least one. A mistake in a file is told with its place.
pub fn resolve(broker: &BrokerConfig, places: &Places) -> Result<Vec<ListenAt>, Failure> {
    of_start(broker).or_else(|wrong| {
        let Wrong {
            key,
            words,
            is_form,
        } = wrong;
        let failure = match is_form {
            true => Failure::usage(words),
            false => Failure::config(words),
        };
        places.tell(&[key], Err(failure))
    })
}

/// What is set for one listener must be for one that there is: a bound that nobody meets would
/// protect nobody. Not where the file has controllers, or a flag has replaced its listeners: then
/// it is said, a line each.
pub fn check_keys(
    broker: &BrokerConfig,
    places: &Places,
    replaced: bool,
) -> Result<Vec<String>, Failure> {
    let mut notes = Vec::new();
    for of in broker.names().filter_map(ListenerKey::read) {
        let Some(others) = of.others(InForce::fixed(broker)) else {
            continue;
        };
        let key = of.name();
        if replaced || is_for_controllers(&of.listener, broker) {
            notes.push(format!("{key} has no effect: there is no such listener"));
            continue;
        }
        let words = format!("{key} is for no listener that there is: {others}");
        let refused = Failure::config(words);
        return places.tell(&[&key], Err(refused));
    }
    Ok(notes)
}
