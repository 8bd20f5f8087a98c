//! A web server of one answer: what stands in the place of a store, or a store that answers as it is told to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// 0: the connection is closed without an answer.
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
}

impl Answer {
    /// An error as S3 says it.
    pub fn s3(status: u16, code: &str, message: &str) -> Self {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
        );
        Self { status, headers: vec![("Content-Type", "application/xml".into())], body }
    }

    /// An answer that gets lost.
    pub fn lost() -> Self {
        Self { status: 0, headers: vec![], body: String::new() }
    }

    /// A page.
    pub fn page(status: u16) -> Self {
        let body = "<!DOCTYPE html><html><body>Welcome</body></html>".to_owned();
        Self { status, headers: vec![("Content-Type", "text/html; charset=utf-8".into())], body }
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// The server. It ends when it is dropped.
pub struct Web {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
    bodies: Arc<Mutex<Vec<String>>>,
    ended: Arc<AtomicBool>,
}

impl Web {
    /// Answers each request line by this.
    pub fn start(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (asked, ended) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let (noted, kept, end, answer) =
            (Arc::clone(&asked), Arc::clone(&bodies), Arc::clone(&ended), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if end.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(stream), noted, kept, answer) =
                    (stream, Arc::clone(&noted), Arc::clone(&kept), Arc::clone(&answer))
                else {
                    continue;
                };
                std::thread::spawn(move || drop(serve(&stream, (&noted, &kept), &*answer)));
            }
        });
        Self { port, asked, bodies, ended }
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The bodies of the requests so far, in the order of their lines.
    pub fn bodies(&self) -> Vec<String> {
        self.bodies.lock().unwrap().clone()
    }

    /// The request lines so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

fn serve(
    stream: &TcpStream,
    (noted, bodies): (&Mutex<Vec<String>>, &Mutex<Vec<String>>),
    answer: &dyn Fn(&str) -> Answer,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? <= 2 {
            break;
        }
        if let Some(value) = header.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut sent = Vec::new();
    reader.take(length).read_to_end(&mut sent)?;
    if line.is_empty() {
        return Ok(());
    }
    bodies.lock().unwrap().push(String::from_utf8_lossy(&sent).into_owned());
    noted.lock().unwrap().push(line.clone());
    let Answer { status, headers, body } = answer(&line);
    if status == 0 {
        return Ok(());
    }
    let mut text = format!("HTTP/1.1 {status} Said\r\nConnection: close\r\n");
    // The answer to HEAD may tell the length of what it does not bring.
    if !headers.iter().any(|(name, _)| *name == "Content-Length") {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    if !line.starts_with("HEAD") {
        text.push_str(&body);
    }
    (&mut &*stream).write_all(text.as_bytes())
}
