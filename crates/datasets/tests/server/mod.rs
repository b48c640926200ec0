//! An HTTP server on 127.0.0.1 that serves files, and misbehaves as told: each request of a file
//! takes the next of its faults.
#![allow(dead_code)] // each test program uses a part of it

use std::{
    collections::{HashMap, VecDeque},
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// What a server does to one request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Nothing: it answers well, ranges too.
    None,
    /// Closes the connection after so many bytes of the body.
    Drop(usize),
    /// Turns the byte at this place of the file into another.
    WrongByte(usize),
    /// Answers 200 with the whole file, whatever the range.
    IgnoreRange,
    /// Answers 206 with another range than asked for.
    OtherRange,
    /// Answers with this status and a short page.
    Status(u16),
    /// Announces so many bytes more, or fewer, than come.
    Length(i64),
    /// Sends so many bytes at a time with a pause between them.
    Trickle(usize, Duration),
    /// Sends the body in chunks, without a length.
    Chunked,
    /// Sends chunks without end.
    Endless,
    /// Sends so many bytes, and then nothing, for as long as the other side waits.
    Stall(usize),
    /// Sends the request elsewhere.
    Redirect(String),
    /// A consent page with status 200, as from a host that wants a click.
    Page,
}

struct File {
    content: Arc<Vec<u8>>,
    faults: VecDeque<Fault>,
    always: Fault,
}

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub path: String,
    pub range: Option<String>,
}

/// A server for as long as the test runs.
#[derive(Clone)]
pub struct Server {
    address: String,
    files: Arc<Mutex<HashMap<String, File>>>,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = Self { address, files: Arc::default(), requests: Arc::default() };
        let serving = server.clone();
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let server = serving.clone();
                // the other side may be killed at any moment
                thread::spawn(move || drop(server.answer(connection)));
            }
        });
        server
    }

    /// Serves `content` under `/name` and returns its address.
    pub fn serve(&self, name: &str, content: &[u8], faults: &[Fault]) -> String {
        self.serve_always(name, content, faults, Fault::None)
    }

    /// As `serve`; after the faults, every request gets `always`.
    pub fn serve_always(
        &self,
        name: &str,
        content: &[u8],
        faults: &[Fault],
        always: Fault,
    ) -> String {
        let file = File {
            content: Arc::new(content.to_vec()),
            faults: faults.iter().cloned().collect(),
            always,
        };
        self.files.lock().unwrap().insert(format!("/{name}"), file);
        format!("{}/{name}", self.address)
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The ranges that were asked for, in order.
    pub fn ranges(&self) -> Vec<Option<String>> {
        self.requests().into_iter().map(|request| request.range).collect()
    }

    fn answer(&self, connection: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(connection.try_clone()?);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let path = line.split(' ').nth(1).unwrap_or("/").to_owned();
        let mut range = None;
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header)? == 0 || header.trim().is_empty() {
                break;
            }
            if let Some(value) = header.to_lowercase().strip_prefix("range:") {
                range = Some(value.trim().to_owned());
            }
        }
        self.requests.lock().unwrap().push(Request { path: path.clone(), range: range.clone() });
        let found = self.files.lock().unwrap().get_mut(&path).map(|file| {
            (
                Arc::clone(&file.content),
                file.faults.pop_front().unwrap_or_else(|| file.always.clone()),
            )
        });
        let mut out = connection;
        match found {
            None => page(&mut out, 404, "text/plain"),
            Some((content, fault)) => reply(&mut out, &content, fault, range.as_deref()),
        }
    }
}

fn page(out: &mut TcpStream, status: u16, kind: &str) -> std::io::Result<()> {
    let body = "<html>not a file</html>";
    write!(
        out,
        "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn reply(
    out: &mut TcpStream,
    content: &[u8],
    fault: Fault,
    range: Option<&str>,
) -> std::io::Result<()> {
    match &fault {
        Fault::Status(status) => return page(out, *status, "text/plain"),
        Fault::Page => return page(out, 200, "text/html; charset=utf-8"),
        Fault::Redirect(to) => {
            return write!(
                out,
                "HTTP/1.1 302 X\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
        }
        _ => {}
    }
    let asked = range
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    let asked = asked.filter(|_| !matches!(fault, Fault::IgnoreRange));
    let all = content.len();
    if asked.is_some_and(|start| start >= all) {
        return write!(
            out,
            "HTTP/1.1 416 X\r\nContent-Range: bytes */{all}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
    }
    let start = match fault {
        Fault::OtherRange => 0,
        _ => asked.unwrap_or(0),
    };
    let mut body = content[start..].to_vec();
    match asked {
        Some(_) => {
            write!(out, "HTTP/1.1 206 X\r\nContent-Range: bytes {start}-{}/{all}\r\n", all - 1)?
        }
        None => write!(out, "HTTP/1.1 200 X\r\n")?,
    }
    write!(out, "Connection: close\r\n")?;
    if matches!(fault, Fault::Chunked | Fault::Endless) {
        return chunks(out, &body, matches!(fault, Fault::Endless));
    }
    let announced = body.len() as i64 + if let Fault::Length(more) = fault { more } else { 0 };
    write!(out, "Content-Length: {announced}\r\n\r\n")?;
    match fault {
        Fault::Drop(n) => body.truncate(n),
        Fault::WrongByte(at) if at >= start => body[at - start] ^= 1,
        Fault::Trickle(n, pause) => return trickle(out, &body, n, pause),
        Fault::Stall(n) => {
            out.write_all(&body[..n.min(body.len())])?;
            // until the other side closes
            let _ = std::io::copy(out, &mut std::io::sink());
            return Ok(());
        }
        _ => {}
    }
    out.write_all(&body)
}

fn trickle(out: &mut TcpStream, body: &[u8], n: usize, pause: Duration) -> std::io::Result<()> {
    for piece in body.chunks(n) {
        out.write_all(piece)?;
        thread::sleep(pause);
    }
    Ok(())
}

fn chunks(out: &mut TcpStream, body: &[u8], endless: bool) -> std::io::Result<()> {
    write!(out, "Transfer-Encoding: chunked\r\n\r\n")?;
    loop {
        for piece in body.chunks(1000) {
            write!(out, "{:x}\r\n", piece.len())?;
            out.write_all(piece)?;
            out.write_all(b"\r\n")?;
        }
        if !endless {
            return out.write_all(b"0\r\n\r\n");
        }
    }
}
