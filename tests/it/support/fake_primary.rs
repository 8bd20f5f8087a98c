//! A primary that plays a script, for what real servers do not do on request: errors, cuts, silence.
//!
//! ```ignore
//! let primary = FakePrimary::new()
//!     .on("PSYNC", [Act::send(format!("+FULLRESYNC {REPLID} 7\r\n")), Act::send(marked(&rdb, &MARK)), Act::Close])
//!     .start();
//! let url = primary.url();
//! ```
//!
//! Unless told otherwise it answers `+PONG` to PING, `+OK` to AUTH, SELECT, CLIENT and REPLCONF, and an error to all else.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A replid of 40 characters.
pub const REPLID: &str = "8371445ee47fed5cbf8c4d15b2a0a4b0c8a8a5a8";
/// A mark of 40 characters.
pub const MARK: [u8; 40] = *b"0123456789abcdef0123456789abcdef01234567";

/// One step of a script.
#[derive(Clone, Debug)]
pub enum Act {
    /// Writes these bytes.
    Send(Vec<u8>),
    /// Waits.
    Pause(Duration),
    /// Closes the connection.
    Close,
    /// Says nothing more, until the other side has closed.
    Silence,
}

impl Act {
    pub fn send(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Send(bytes.into())
    }
}

/// The smallest RDB: a header, the end, and a CRC64 of zero (which means: the server computes none).
pub fn tiny_rdb() -> Vec<u8> {
    [b"REDIS0011\xff".as_slice(), &[0; 8]].concat()
}

/// `$<length>` and the RDB.
pub fn counted(rdb: &[u8]) -> Vec<u8> {
    [format!("${}\r\n", rdb.len()).as_bytes(), rdb].concat()
}

/// `$EOF:<mark>`, the RDB, and the mark.
pub fn marked(rdb: &[u8], mark: &[u8; 40]) -> Vec<u8> {
    [b"$EOF:".as_slice(), mark, b"\r\n", rdb, mark].concat()
}

/// `+FULLRESYNC`, as every answer to PSYNC begins.
pub fn full_resync(offset: u64) -> Vec<u8> {
    format!("+FULLRESYNC {REPLID} {offset}\r\n").into_bytes()
}

/// A script that is not running yet.
#[derive(Clone, Default)]
pub struct Script {
    answers: Vec<(String, Vec<Act>)>,
    at_the_door: Vec<Act>,
    n_hangups: usize,
}

/// A running script. Ends when dropped.
pub struct FakePrimary {
    port: u16,
    ended: Arc<AtomicBool>,
    heard: Arc<Mutex<Vec<Vec<String>>>>,
    n_connections: Arc<Mutex<usize>>,
}

impl Script {
    /// What to do when a command comes whose words begin with these: `"PSYNC"`, `"REPLCONF rdb-only"`. Later ones win.
    pub fn on(mut self, words: &str, acts: impl IntoIterator<Item = Act>) -> Self {
        self.answers.insert(0, (words.to_ascii_uppercase(), acts.into_iter().collect()));
        self
    }

    /// What to do when a connection comes, before any command.
    pub fn at_the_door(mut self, acts: impl IntoIterator<Item = Act>) -> Self {
        self.at_the_door = acts.into_iter().collect();
        self
    }

    /// Closes the first connections without a word.
    pub fn hang_up_on_the_first(mut self, n_connections: usize) -> Self {
        self.n_hangups = n_connections;
        self
    }

    pub fn start(self) -> FakePrimary {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let primary = FakePrimary {
            port: listener.local_addr().expect("it has an address").port(),
            ended: Arc::default(),
            heard: Arc::default(),
            n_connections: Arc::default(),
        };
        let (ended, heard, counter) = (primary.ended.clone(), primary.heard.clone(), primary.n_connections.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let n_before = {
                    let mut n_connections = counter.lock().expect("nobody panics with it");
                    *n_connections += 1;
                    *n_connections - 1
                };
                if n_before < self.n_hangups {
                    continue;
                }
                let (script, heard, ended) = (self.clone(), heard.clone(), ended.clone());
                std::thread::spawn(move || script.play(stream, &heard, &ended));
            }
        });
        primary
    }

    fn play(&self, stream: TcpStream, heard: &Mutex<Vec<Vec<String>>>, ended: &AtomicBool) {
        let _ = stream.set_nodelay(true);
        let Ok(mut writer) = stream.try_clone() else { return };
        let mut reader = BufReader::new(stream);
        let mut goes_on = act(&mut writer, &mut reader, &self.at_the_door, ended);
        while goes_on {
            let Some(command) = read_command(&mut reader) else { break };
            heard.lock().expect("nobody panics with it").push(command.clone());
            let acts = self.answer_to(&command);
            goes_on = act(&mut writer, &mut reader, &acts, ended);
        }
        let _ = writer.shutdown(Shutdown::Both);
    }

    fn answer_to(&self, command: &[String]) -> Vec<Act> {
        let text = command.join(" ").to_ascii_uppercase();
        if let Some((_, acts)) = self.answers.iter().find(|(words, _)| text.starts_with(words)) {
            return acts.clone();
        }
        let answer = match text.split(' ').next().unwrap_or_default() {
            "PING" => "+PONG\r\n".to_owned(),
            "AUTH" | "SELECT" | "CLIENT" | "REPLCONF" => "+OK\r\n".to_owned(),
            name => format!("-ERR unknown command '{name}', with args beginning with: \r\n"),
        };
        vec![Act::send(answer)]
    }
}

impl FakePrimary {
    #[expect(clippy::new_ret_no_self, reason = "a script is what a fake primary begins as")]
    pub fn new() -> Script {
        Script::default()
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// All commands so far, of all connections, in the order they came.
    pub fn heard(&self) -> Vec<Vec<String>> {
        self.heard.lock().expect("nobody panics with it").clone()
    }

    /// How many connections came so far.
    pub fn n_connections(&self) -> usize {
        *self.n_connections.lock().expect("nobody panics with it")
    }
}

impl Drop for FakePrimary {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// Whether the connection goes on.
fn act(writer: &mut TcpStream, reader: &mut BufReader<TcpStream>, acts: &[Act], ended: &AtomicBool) -> bool {
    for act in acts {
        match act {
            Act::Send(bytes) => {
                if writer.write_all(bytes).is_err() {
                    return false;
                }
            }
            Act::Pause(time) => std::thread::sleep(*time),
            Act::Close => {
                // Waits for what is still on the way to us: closing with unread bytes would reset the connection, and take with it
                // what we have sent.
                let _ = writer.shutdown(Shutdown::Write);
                drain(reader, &AtomicBool::new(false));
                return false;
            }
            Act::Silence => {
                drain(reader, ended);
                return false;
            }
        }
    }
    true
}

/// Reads until the other side has closed, the test has ended, or a minute is over.
fn drain(reader: &mut BufReader<TcpStream>, ended: &AtomicBool) {
    const STEP: Duration = Duration::from_millis(50);
    let _ = reader.get_ref().set_read_timeout(Some(STEP));
    let mut scrap = [0; 4096];
    for _ in 0..1200 {
        match reader.read(&mut scrap) {
            Ok(1..) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            _ => return,
        }
        if ended.load(Ordering::SeqCst) {
            return;
        }
    }
}

/// The next command: a RESP array of bulk strings, or words on a line.
fn read_command(reader: &mut impl BufRead) -> Option<Vec<String>> {
    let line = read_line(reader)?;
    let Some(n_words) = line.strip_prefix('*') else {
        return Some(line.split_whitespace().map(str::to_owned).collect());
    };
    (0..n_words.parse::<usize>().ok()?)
        .map(|_| {
            let length = read_line(reader)?.strip_prefix('$')?.parse::<usize>().ok()?;
            let mut word = vec![0; length + 2];
            reader.read_exact(&mut word).ok()?;
            word.truncate(length);
            Some(String::from_utf8_lossy(&word).into_owned())
        })
        .collect()
}

fn read_line(reader: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    line.ends_with('\n').then(|| line.trim_end().to_owned())
}
