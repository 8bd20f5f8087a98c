//! A real S3 protocol server in this process, with faults on demand: answers that are errors, connections that break in the middle,
//! and stores that keep less than they should.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use redis_ops::storage::{S3Credentials, S3Options};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::SimpleAuth;
use s3s::dto::{CompleteMultipartUploadInput, CreateMultipartUploadInput, DeleteObjectInput, PutObjectInput};
use s3s::service::S3ServiceBuilder;
use s3s::{S3Error, S3ErrorCode, S3Request, S3Result};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use super::redis_server::Certificates;

const BUCKET: &str = "backups";
const KEY_ID: &str = "AKIATESTTESTTESTTEST";
/// s3s-fs looks whether an object is there and writes it then. So that "only if it is not there" holds for writers at the same
/// moment, a second one is told for so long that another write is under way, as AWS does.
const UNDER_WAY: Duration = Duration::from_millis(800);
const SECRET: &str = "hunter2-do-not-print-secret-key";

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The request is answered with this code (`InternalError`, `AccessDenied`, `SlowDown`, …).
    Answer(&'static str),
    /// The connection is reset after so many more bytes of the request.
    BreakRequest(usize),
    /// The connection is reset after so many bytes of the answer.
    BreakAnswer(usize),
    /// One bit of the answer's byte of this number is another one when it arrives.
    DamageAnswer(usize),
}

/// What kind of store it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manners {
    /// It replaces an object silently where `If-None-Match: *` forbids it.
    pub ignores_conditions: bool,
    /// It answers 501 to `If-None-Match`.
    pub refuses_conditions: bool,
    /// It keeps no metadata of objects.
    pub forgets_metadata: bool,
    /// It answers 400 to checksums of requests.
    pub refuses_checksums: bool,
    /// It takes so long to begin the answer to each request for a dump.
    pub dumps_take: Duration,
}

/// A request as it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The operation's name: `PutObject`, `UploadPart`, ….
    pub operation: String,
    /// Path and query.
    pub uri: String,
    /// Names of its headers.
    pub headers: Vec<String>,
}

struct Rule {
    /// A part of the request line: `PUT /backups/x?`, `partNumber=2`.
    request: String,
    times: usize,
    fault: Fault,
}

#[derive(Default)]
struct State {
    rules: Mutex<Vec<Rule>>,
    requests: Mutex<Vec<Request>>,
    manners: Mutex<Manners>,
    /// When a conditional write of a key last began.
    begun: Mutex<HashMap<String, Instant>>,
    /// Requests for dumps: how many wait for their answer, and how many did at most.
    waiting: Mutex<(usize, usize)>,
}

/// The server. It ends, and its objects go away, when it is dropped.
pub struct S3Server {
    runtime: Option<Runtime>,
    folder: TempDir,
    scheme: &'static str,
    port: u16,
    state: Arc<State>,
}

impl S3Server {
    /// Starts a server with one empty bucket.
    pub fn start() -> Self {
        Self::start_over(None)
    }

    /// The same over TLS; connections do not break here, and the certificate is for `127.0.0.1`.
    pub fn start_tls(certificates: &Certificates) -> Self {
        let chain = CertificateDer::pem_slice_iter(certificates.server.as_bytes()).collect::<Result<_, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_slice(certificates.server_key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        Self::start_over(Some(TlsAcceptor::from(Arc::new(config))))
    }

    fn start_over(tls: Option<TlsAcceptor>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(BUCKET)).unwrap();
        let state = Arc::new(State::default());
        let mut builder = S3ServiceBuilder::new(FileSystem::new(folder.path()).unwrap());
        builder.set_auth(SimpleAuth::from_single(KEY_ID, SECRET));
        builder.set_access(Faults { state: Arc::clone(&state), folder: folder.path().to_owned() });
        let service = builder.build();

        // Bound before anything else runs: no test meets a server that is not there yet.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let shared = Arc::clone(&state);
        let scheme = if tls.is_some() { "https" } else { "http" };
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let (service, tls, shared) = (service.clone(), tls.clone(), Arc::clone(&shared));
                tokio::spawn(async move {
                    let server = Builder::new(TokioExecutor::new()).http1_only();
                    let Some(tls) = tls else {
                        let stream =
                            TokioIo::new(Breakable { stream, state: shared, reads: None, writes: None, damaged: None });
                        return drop(server.serve_connection(stream, service).await);
                    };
                    // A client that does not trust us goes away.
                    if let Ok(stream) = tls.accept(stream).await {
                        drop(server.serve_connection(TokioIo::new(stream), service).await);
                    }
                });
            }
        });
        Self { runtime: Some(runtime), folder, scheme, port, state }
    }

    /// `http://127.0.0.1:PORT`, or `https`.
    pub fn endpoint(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.port)
    }

    /// The bucket's name.
    pub fn bucket(&self) -> &'static str {
        BUCKET
    }

    /// `s3://backups/PREFIX`, or without a prefix.
    pub fn location(&self, prefix: &str) -> String {
        if prefix.is_empty() { format!("s3://{BUCKET}") } else { format!("s3://{BUCKET}/{prefix}") }
    }

    /// What `redis-ops` in a child process needs to reach it: endpoint, region and credentials, and no profile of the user's.
    pub fn env(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL_S3", self.endpoint().as_str()),
            ("AWS_ACCESS_KEY_ID", KEY_ID),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
            ("AWS_REGION", "us-east-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
            ("NO_PROXY", "127.0.0.1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// What a storage in this process needs to reach it.
    pub fn options(&self) -> S3Options {
        S3Options {
            credentials: Some(S3Credentials { key_id: KEY_ID.to_owned(), secret: SECRET.to_owned(), token: None }),
            endpoint: Some(self.endpoint()),
            region: Some("us-east-1".to_owned()),
            ..S3Options::default()
        }
    }

    /// Makes it another kind of store.
    pub fn behave(&self, manners: Manners) {
        *lock(&self.state.manners) = manners;
    }

    /// The next `times` requests whose request line (`PUT /backups/key?x-id=PutObject …`) holds `request` go wrong.
    pub fn inject(&self, request: &str, times: usize, fault: Fault) {
        lock(&self.state.rules).push(Rule { request: request.to_owned(), times, fault });
    }

    /// From now on nothing goes wrong any more.
    pub fn forgive(&self) {
        lock(&self.state.rules).clear();
    }

    /// The requests so far, but for those whose connection was broken before they had come.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.state.requests).clone()
    }

    /// How many requests of an operation there were.
    pub fn count(&self, operation: &str) -> usize {
        self.requests().iter().filter(|request| request.operation == operation).count()
    }

    /// How many requests for dumps waited for their answers at the same time, at most: see [`Manners::dumps_take`].
    pub fn most_dumps_at_once(&self) -> usize {
        lock(&self.state.waiting).1
    }

    /// The folder that holds the bucket's objects, by their keys.
    pub fn objects(&self) -> std::path::PathBuf {
        self.folder.path().join(BUCKET)
    }

    /// Bytes that lie on the server outside of the bucket: parts of uploads that were neither completed nor aborted.
    pub fn left_of_uploads(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.retain(|name| name.contains("upload") && name.contains("part"));
        names
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        // A test may drop it within its own runtime, where waiting is not allowed.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl State {
    /// The fault that a request line meets, if `wanted` holds for it; one time less is left of it then.
    fn meet(&self, line: &str, wanted: impl Fn(Fault) -> bool) -> Option<Fault> {
        let mut rules = lock(&self.rules);
        let rule =
            rules.iter_mut().find(|rule| rule.times > 0 && line.contains(&rule.request) && wanted(rule.fault))?;
        rule.times -= 1;
        Some(rule.fault)
    }
}

/// Faults that are answers.
struct Faults {
    state: Arc<State>,
    folder: PathBuf,
}

#[async_trait::async_trait]
impl S3Access for Faults {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        if context.credentials().is_none() {
            return Err(S3Error::new(S3ErrorCode::AccessDenied));
        }
        let headers: Vec<String> = context.headers().keys().map(|name| name.as_str().to_owned()).collect();
        let line = format!("{} {}", context.method(), context.uri());
        let operation = context.s3_op().name().to_owned();
        let uri = context.uri().to_string();
        let (conditional, with_checksum) = (
            headers.iter().any(|name| name == "if-none-match"),
            headers.iter().any(|name| name.starts_with("x-amz-checksum-")),
        );
        lock(&self.state.requests).push(Request { operation, uri, headers });
        // s3s-fs would make the bucket on writing.
        if context.s3_path().get_bucket_name().is_some_and(|bucket| bucket != BUCKET) {
            return Err(S3Error::new(S3ErrorCode::NoSuchBucket));
        }
        let manners = *lock(&self.state.manners);
        if manners.refuses_conditions && conditional {
            return Err(S3Error::new(S3ErrorCode::NotImplemented));
        }
        if manners.refuses_checksums && with_checksum {
            return Err(S3Error::new(S3ErrorCode::InvalidArgument));
        }
        if !manners.dumps_take.is_zero() && line.starts_with("GET ") && line.contains("/dump") {
            {
                let mut waiting = lock(&self.state.waiting);
                waiting.0 += 1;
                waiting.1 = waiting.1.max(waiting.0);
            }
            tokio::time::sleep(manners.dumps_take).await;
            lock(&self.state.waiting).0 -= 1;
        }
        match self.state.meet(&line, |fault| matches!(fault, Fault::Answer(_))) {
            Some(Fault::Answer(code)) => Err(S3Error::new(S3ErrorCode::from_bytes(code.as_bytes()).unwrap())),
            _ => Ok(()),
        }
    }

    async fn put_object(&self, request: &mut S3Request<PutObjectInput>) -> S3Result<()> {
        // s3s-fs knows the standard class only.
        request.input.storage_class = None;
        if lock(&self.state.manners).ignores_conditions {
            request.input.if_none_match = None;
        }
        if request.input.if_none_match.is_some() {
            let there = self.folder.join(&request.input.bucket).join(&request.input.key).exists();
            let mut begun = lock(&self.state.begun);
            let under_way = |begun: &Instant| begun.elapsed() < UNDER_WAY;
            if !there && begun.get(&request.input.key).is_some_and(under_way) {
                return Err(S3Error::new(S3ErrorCode::ConditionalRequestConflict));
            }
            begun.insert(request.input.key.clone(), Instant::now());
        }
        Ok(())
    }

    async fn delete_object(&self, request: &mut S3Request<DeleteObjectInput>) -> S3Result<()> {
        lock(&self.state.begun).remove(&request.input.key);
        Ok(())
    }

    async fn create_multipart_upload(&self, request: &mut S3Request<CreateMultipartUploadInput>) -> S3Result<()> {
        request.input.storage_class = None;
        if lock(&self.state.manners).forgets_metadata {
            request.input.metadata = None;
        }
        Ok(())
    }

    async fn complete_multipart_upload(&self, request: &mut S3Request<CompleteMultipartUploadInput>) -> S3Result<()> {
        if lock(&self.state.manners).ignores_conditions {
            request.input.if_none_match = None;
        }
        Ok(())
    }
}

/// A connection that breaks where a rule says so.
struct Breakable {
    stream: TcpStream,
    state: Arc<State>,
    /// Bytes that may still be read and written.
    reads: Option<usize>,
    writes: Option<usize>,
    /// Bytes that are still written as they are before one that is not.
    damaged: Option<usize>,
}

impl Breakable {
    /// Looks whether a request begins here. Its first line comes in one piece, since the client sends the head at once.
    fn look(&mut self, bytes: &[u8]) {
        let line = bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let Ok(line) = std::str::from_utf8(line) else { return };
        if !line.ends_with(" HTTP/1.1") {
            return;
        }
        // An answer that was shorter than where it was to be damaged came as it was.
        self.damaged = None;
        match self.state.meet(line, |fault| !matches!(fault, Fault::Answer(_))) {
            Some(Fault::BreakRequest(bytes)) => self.reads = Some(bytes),
            Some(Fault::BreakAnswer(bytes)) => self.writes = Some(bytes),
            Some(Fault::DamageAnswer(bytes)) => self.damaged = Some(bytes),
            _ => {}
        }
    }
}

fn reset<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
}

impl AsyncRead for Breakable {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.reads == Some(0) {
            return reset();
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        let bytes = buffer.filled()[before..].to_vec();
        match self.reads {
            Some(left) => self.reads = Some(left.saturating_sub(bytes.len())),
            None => self.look(&bytes),
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Breakable {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(left) = self.damaged {
            let (now, is_damaged) = if left == 0 { (1, true) } else { (left.min(bytes.len()), false) };
            let mut piece = bytes[..now].to_vec();
            if is_damaged {
                piece[0] ^= 1;
            }
            let wrote = ready!(Pin::new(&mut self.stream).poll_write(cx, &piece))?;
            self.damaged = if is_damaged && wrote > 0 { None } else { Some(left - wrote) };
            return Poll::Ready(Ok(wrote));
        }
        match self.writes {
            Some(0) => reset(),
            Some(left) => {
                let wrote = ready!(Pin::new(&mut self.stream).poll_write(cx, &bytes[..bytes.len().min(left)]))?;
                self.writes = Some(left - wrote);
                Poll::Ready(Ok(wrote))
            }
            None => Pin::new(&mut self.stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Lets the client finish its request before the connection closes, as real servers do: an answer that comes before the end
    /// of the body would be lost in a reset.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
        if self.reads.is_some() || self.writes.is_some() {
            return Poll::Ready(Ok(()));
        }
        let mut rest = [0; 16 << 10];
        loop {
            let mut buffer = ReadBuf::new(&mut rest);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}
