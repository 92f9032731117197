//! One blocking connection that speaks the frames this bench needs.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use thalweg::wire::StrBytes;
use thalweg::wire::client::{self, Message};
use thalweg::wire::messages::create_topics_request::CreatableTopic;
use thalweg::wire::messages::metadata_request::MetadataRequestTopic;
use thalweg::wire::messages::*;

const WAIT: Duration = Duration::from_secs(60);

/// The version of the small question.
const SMALL_VERSION: i16 = 9;

const PIECE: usize = 64 << 10;

pub struct Wire {
    pub stream: TcpStream,
    sent: i32,
}

pub fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

impl Wire {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the broker listens");
        stream.set_nodelay(true).expect("a TCP socket");
        stream.set_read_timeout(Some(WAIT)).expect("a TCP socket");
        Self { stream, sent: 0 }
    }

    pub fn frame<R: Message>(&mut self, request: &R, version: i16) -> Bytes {
        self.sent += 1;
        client::encode(request, version, self.sent, "stalls").expect("it encodes")
    }

    /// In pieces: a kernel that is built to preempt nobody in a system call (`PREEMPT_NONE`) would
    /// keep the core of this process, on which the honest client runs too, for the 50 ms that
    /// 100 MiB take.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(PIECE) {
            self.stream.write_all(piece).expect("the broker reads");
        }
    }

    pub fn send<R: Message>(&mut self, request: &R, version: i16) {
        let frame = self.frame(request, version);
        self.stream.write_all(&frame).expect("the broker reads");
    }

    /// The next reply, without its length.
    pub fn hear(&mut self) -> Bytes {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).expect("a reply");
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        self.stream.read_exact(&mut frame).expect("a whole reply");
        Bytes::from(frame)
    }

    pub fn ask<R: Message>(&mut self, request: &R, version: i16) -> R::Response {
        self.send(request, version);
        let frame = self.hear();
        client::decode::<R>(version, frame).expect("its reply").1
    }

    pub fn create(&mut self, name: &str, partitions: i32) {
        let topic = CreatableTopic::default()
            .with_name(topic_name(name))
            .with_num_partitions(partitions)
            .with_replication_factor(1);
        let request = CreateTopicsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(60_000);
        let reply = self.ask(&request, 7);
        assert_eq!(reply.topics[0].error_code, 0, "{reply:?}");
    }

    pub fn delete(&mut self, name: &str) {
        let request = DeleteTopicsRequest::default()
            .with_topic_names(vec![topic_name(name)])
            .with_timeout_ms(60_000);
        let reply = self.ask(&request, 5);
        assert_eq!(reply.responses[0].error_code, 0, "{reply:?}");
    }

    /// A question with a small answer.
    pub fn send_small(&mut self, topic: &str) {
        let topic = MetadataRequestTopic::default().with_name(Some(topic_name(topic)));
        let request = MetadataRequest::default()
            .with_topics(Some(vec![topic]))
            .with_allow_auto_topic_creation(false);
        self.send(&request, SMALL_VERSION);
    }

    /// Its answer tells of one partition.
    pub fn check_small(frame: Bytes) {
        let reply = client::decode::<MetadataRequest>(SMALL_VERSION, frame);
        let (_, reply) = reply.expect("its reply");
        assert_eq!(reply.topics[0].partitions.len(), 1, "{reply:?}");
    }
}
