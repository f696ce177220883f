//! A client that costs next to nothing: one kept-alive connection, answers read by their length.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::error::BenchError;
use crate::readings::Body;

/// One connection of one device.
#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    device: usize,
    key: String,
    buffer: Vec<u8>,
}

impl Client {
    pub(crate) async fn connect(
        http: SocketAddr,
        device: usize,
        key: String,
    ) -> Result<Self, BenchError> {
        let stream = TcpStream::connect(http).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, device, key, buffer: Vec::with_capacity(16 * 1024) })
    }

    /// Sends a batch and reads the receipt.
    pub(crate) async fn post(&mut self, body: &Body) -> Result<(), BenchError> {
        let head = format!(
            "POST /api/v1/devices/d{}/batches HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-digest: {}\r\ncontent-length: {}\r\n\r\n",
            self.device,
            self.key,
            body.digest,
            body.json.len()
        );
        let mut request = head.into_bytes();
        request.extend_from_slice(body.json.as_bytes());
        self.stream.write_all(&request).await?;
        self.buffer.clear();
        let whole = loop {
            if let Some(whole) = length(&self.buffer)?
                && self.buffer.len() >= whole
            {
                break whole;
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(BenchError::Unexpected("the connection was closed"));
            }
        };
        if self.buffer.len() == whole && self.buffer.starts_with(b"HTTP/1.1 200") {
            Ok(())
        } else {
            Err(BenchError::Unexpected("a batch was refused"))
        }
    }
}

/// Length of the whole answer once its head is there.
fn length(buffer: &[u8]) -> Result<Option<usize>, BenchError> {
    let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(buffer.get(..end).unwrap_or_default())
        .map_err(|_| BenchError::Unexpected("no text"))?;
    let body = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .and_then(|text| text.parse::<usize>().ok())
        .ok_or(BenchError::Unexpected("an answer without length"))?;
    Ok(Some(end + 4 + body))
}
