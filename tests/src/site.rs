//! A small HTTPS server under a CA of its own.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::certificate::Authority;
use crate::tls::server_config;
use crate::wait::PATIENCE;

/// Serves until the process ends.
#[derive(Debug)]
pub struct Site {
    authority: Authority,
    address: SocketAddr,
}

impl Site {
    /// `pages` gets the site's own URL and a path; `None` is a 503.
    #[must_use]
    pub fn start(pages: impl Fn(&str, &str) -> Option<String> + Send + Sync + 'static) -> Self {
        let authority = Authority::new("site CA");
        let config = server_config(&authority.server(&["127.0.0.1"]), &["http/1.1"]);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("own address");
        let url = format!("https://{address}");
        let page = Arc::new(move |path: &str| pages(&url, path));
        std::thread::spawn(move || {
            for socket in listener.incoming().filter_map(Result::ok) {
                let (config, page) = (Arc::clone(&config), Arc::clone(&page));
                std::thread::spawn(move || answer(socket, config, &*page));
            }
        });
        Self { authority, address }
    }

    /// `https://` and its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// PEM of the CA to trust.
    #[must_use]
    pub fn ca_pem(&self) -> String {
        self.authority.pem()
    }
}

fn answer(
    socket: TcpStream,
    config: Arc<ServerConfig>,
    page: &dyn Fn(&str) -> Option<String>,
) -> std::io::Result<()> {
    socket.set_read_timeout(Some(PATIENCE))?;
    let tls = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(tls, socket));
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let mut head = String::new();
    while stream.read_line(&mut head)? > 2 {
        head.clear();
    }
    let body = page(line.split(' ').nth(1).unwrap_or_default());
    let status = if body.is_some() {
        "200 OK"
    } else {
        "503 Service Unavailable"
    };
    let body = body.unwrap_or_default();
    let stream = stream.get_mut();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    stream.flush()?;
    stream.conn.send_close_notify();
    stream.flush()
}
