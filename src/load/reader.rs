//! Reads replies from a socket with few large receives, in place.

use std::io::{self, ErrorKind, Read};
use std::net::TcpStream;

/// A buffer over a socket. A time-out loses nothing: what has come stays for the next call.
pub struct Reader {
    stream: TcpStream,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Reader {
    pub fn new(stream: TcpStream, capacity: usize) -> Self {
        Self {
            stream,
            buffer: vec![0; capacity],
            start: 0,
            end: 0,
        }
    }

    /// The next `count` bytes, waited for, not taken.
    pub fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        if self.start + count > self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            if count > self.buffer.len() {
                self.buffer.resize(count, 0);
            }
        }
        while self.end - self.start < count {
            self.receive()?;
        }
        Ok(&self.buffer[self.start..self.start + count])
    }

    /// Takes `count` bytes that `peek` has shown.
    pub fn take(&mut self, count: usize) {
        self.start += count;
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// Takes `count` bytes, waited for, without looking.
    pub fn skip(&mut self, count: usize) -> io::Result<()> {
        let mut left = count;
        loop {
            let now = left.min(self.end - self.start);
            self.take(now);
            left -= now;
            if left == 0 {
                return Ok(());
            }
            self.receive()?;
        }
    }

    /// Whether a whole frame has come already.
    pub fn has_frame(&self) -> bool {
        let here = &self.buffer[self.start..self.end];
        here.first_chunk::<4>()
            .is_some_and(|length| here.len() - 4 >= u32::from_be_bytes(*length) as usize)
    }

    fn receive(&mut self) -> io::Result<()> {
        match self.stream.read(&mut self.buffer[self.end..]) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                self.end += count;
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        }
    }
}
