//! A small HTTP client that can also be rude: it sends exactly the bytes it is given.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use data_encoding::BASE64;
use serde_json::Value;
use vitals::checksum::BodyDigest;

/// How long the other end may be silent: longer than any limit of ours.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its number.
    pub status: u16,
    /// Its header lines, as they came.
    pub head: String,
    /// Its body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// When it is none.
    #[track_caller]
    #[must_use]
    pub fn json(&self) -> Value {
        match serde_json::from_slice(&self.body) {
            Ok(json) => json,
            Err(error) => panic!("{} is no JSON: {error}", self.text()),
        }
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A connection that stays open from one request to the next.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    rest: Vec<u8>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn open(to: SocketAddr) -> io::Result<Self> {
        Self::on(TcpStream::connect(to)?)
    }

    /// Connects from another address of loopback, as another machine would.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn open_from(from: IpAddr, to: SocketAddr) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let stream = runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4()?;
            socket.bind(SocketAddr::new(from, 0))?;
            socket.connect(to).await?.into_std()
        })?;
        stream.set_nonblocking(false)?;
        Self::on(stream)
    }

    fn on(stream: TcpStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        stream.set_write_timeout(Some(SILENCE_MAX))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, rest: Vec::new() })
    }

    /// Sends bytes and waits for nothing.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends a whole request and reads its answer.
    ///
    /// # Errors
    ///
    /// The system's, and [`io::ErrorKind::InvalidData`] for what is no answer.
    pub fn ask(&mut self, request: &[u8]) -> io::Result<Answer> {
        // A server may refuse before it has read everything; its answer is still to be had.
        let sent = self.send(request);
        self.answer().map_err(|error| sent.err().unwrap_or(error))
    }

    /// Reads an answer.
    ///
    /// # Errors
    ///
    /// As [`ask`](Self::ask).
    pub fn answer(&mut self) -> io::Result<Answer> {
        let end = loop {
            if let Some(at) = find(&self.rest, b"\r\n\r\n") {
                break at;
            }
            self.read_more()?;
        };
        let head = String::from_utf8_lossy(self.rest.get(..end).unwrap_or_default()).into_owned();
        self.rest.drain(..end + 4);
        let status = head.split(' ').nth(1).and_then(|number| number.parse().ok());
        let mut answer =
            Answer { status: status.ok_or(io::ErrorKind::InvalidData)?, head, body: Vec::new() };
        let length = answer.header("content-length").and_then(|length| length.parse().ok());
        let length: usize = length.ok_or(io::ErrorKind::InvalidData)?;
        while self.rest.len() < length {
            self.read_more()?;
        }
        answer.body = self.rest.drain(..length).collect();
        Ok(answer)
    }

    fn read_more(&mut self) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                self.rest.extend_from_slice(buffer.get(..count).unwrap_or_default());
                Ok(())
            }
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// Asks for a page.
///
/// # Panics
///
/// When there is no answer.
#[track_caller]
#[must_use]
pub fn get(to: SocketAddr, path: &str) -> Answer {
    ask(
        to,
        format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").as_bytes(),
    )
}

/// Sends a request on a connection of its own.
///
/// # Panics
///
/// When there is no answer.
#[track_caller]
#[must_use]
pub fn ask(to: SocketAddr, request: &[u8]) -> Answer {
    match Connection::open(to).and_then(|mut connection| connection.ask(request)) {
        Ok(answer) => answer,
        Err(error) => panic!("no answer: {error}"),
    }
}

/// A device: its name, its key, and what it says of its body.
#[derive(Clone, Debug)]
pub struct Device {
    /// Its name at the clinic.
    pub name: String,
    /// Its key.
    pub key: String,
}

impl Device {
    /// The request that uploads `body`, with its digest.
    #[must_use]
    pub fn upload(&self, body: &str) -> Vec<u8> {
        self.request(body.as_bytes(), &[("content-digest", &digest(body.as_bytes()))])
    }

    /// A request with these headers beside the key and the length.
    #[must_use]
    pub fn request(&self, body: &[u8], headers: &[(&str, &str)]) -> Vec<u8> {
        let authorization = format!("Bearer {}", self.key);
        let mut all = vec![("authorization", authorization.as_str())];
        all.extend_from_slice(headers);
        post(&self.name, body, &all)
    }

    /// Uploads `body` on a connection of its own.
    ///
    /// # Panics
    ///
    /// When there is no answer.
    #[track_caller]
    #[must_use]
    pub fn send(&self, to: SocketAddr, body: &str) -> Answer {
        ask(to, &self.upload(body))
    }

    /// Uploads `body` and gets a receipt.
    ///
    /// # Panics
    ///
    /// When the answer is another.
    #[track_caller]
    pub fn deliver(&self, to: SocketAddr, body: &str) -> Value {
        let answer = self.send(to, body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }
}

/// `POST /api/v1/devices/{device}/batches` with these headers and the right length.
#[must_use]
pub fn post(device: &str, body: &[u8], headers: &[(&str, &str)]) -> Vec<u8> {
    let lines: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!(
        "POST /api/v1/devices/{device}/batches HTTP/1.1\r\nhost: localhost\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n{lines}\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// `sha-256=:…:`
#[must_use]
pub fn digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", BASE64.encode(&BodyDigest::of(body).bytes()))
}
