//! Which road to take to a server: UDP, or TCP where UDP gets no answer.
//!
//! Both may be tried at once, one ahead of the other; the first whose handshake is done is taken. UDP
//! is ahead, because a lost packet on it holds up no other class, and because on narrow links our own
//! congestion control keeps queues short there. Where it lately had no answer, TCP is ahead for a
//! while, so that not every attempt waits for UDP in vain.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

use crate::dialer::{self, DialError, check_request};
use crate::identity::KEY_BYTES;
use crate::link::{Link, LinkError};
use crate::pinning::Purpose;
use crate::tcp::{self, Tls};
use crate::{Dialer, LinkProfile, socket};

/// How far one road is ahead of the other, wide. A first packet that got lost is sent again after
/// 1 s and has another second to be answered: one loss does not make a clinic take the worse road.
const AHEAD_WIDE: Duration = Duration::from_secs(2);

/// The same on a narrow link, where it is sent again after 3 s and the answer may take 2 s.
const AHEAD_NARROW: Duration = Duration::from_secs(5);

/// How long UDP is believed not to pass at most, wide: an attempt costs 5 kB, and a firewall's rules
/// change more rarely than that.
const SILENT_WIDE: Duration = Duration::from_secs(10 * 60);

/// The same on a narrow link, where bytes cost money.
const SILENT_NARROW: Duration = Duration::from_secs(60 * 60);

/// The first time it is a tenth, and doubles from there: a server that was just started may have
/// been found by TCP only because it was asked that way a second later.
const SILENT_FIRST_PART: u32 = 10;

/// What is known of the roads to one server, while the program runs.
#[derive(Debug, Default)]
pub struct Roads {
    silent: Mutex<Option<Silent>>,
    asked: Notify,
}

/// UDP got no answer.
#[derive(Clone, Copy, Debug)]
struct Silent {
    since: Instant,
    /// How long it is believed.
    believed: Duration,
    /// Where this machine was in the network then.
    at: Option<IpAddr>,
}

impl Roads {
    /// Makes a link to the server that holds `server_key`, by the road that works.
    ///
    /// # Errors
    ///
    /// As [`Dialer::connect`]. A refusal over UDP is final: TCP is not asked then. Where neither
    /// answers, the error is the one that says more.
    pub async fn connect(
        &self,
        dialer: &Dialer,
        address: SocketAddr,
        server_key: &[u8; KEY_BYTES],
    ) -> Result<Link, DialError> {
        let udp = dialer.connect(address, server_key);
        let tcp = dialer.connect_over_tcp(address, server_key);
        self.race(dialer.profile(), address, udp, tcp).await
    }

    /// Sends a request to join, by the road that works. It is sent once: over the connection whose
    /// handshake is done first.
    ///
    /// # Errors
    ///
    /// As [`Dialer::join`].
    pub async fn join(
        &self,
        dialer: &Dialer,
        address: SocketAddr,
        server_key: &[u8; KEY_BYTES],
        request: &[u8],
    ) -> Result<Vec<u8>, DialError> {
        enum Open {
            Udp(quinn::Connection),
            Tcp(Box<Tls>),
        }
        check_request(request)?;
        let udp = async { dialer.dial(address, server_key, Purpose::Join).await.map(Open::Udp) };
        let tcp = async {
            let tls = dialer.dial_tcp(address, server_key, Purpose::Join).await?;
            Ok(Open::Tcp(Box::new(tls)))
        };
        match self.race(dialer.profile(), address, udp, tcp).await? {
            Open::Udp(connection) => dialer::ask(connection, request).await,
            Open::Tcp(tls) => tcp::ask(*tls, request).await,
        }
    }

    /// Tries UDP anew at the next attempt, and now where a link runs over TCP: somebody asked.
    pub fn ask_again(&self) {
        *self.silent() = None;
        self.asked.notify_one();
    }

    /// For as long as a link runs over TCP: tries from time to time whether UDP passes now, and
    /// answers with a link over it.
    pub async fn udp_is_back(
        &self,
        dialer: &Dialer,
        address: SocketAddr,
        server_key: &[u8; KEY_BYTES],
    ) -> Link {
        loop {
            let again = self.silent().map(|silent| silent.since + silent.believed);
            tokio::select! {
                () = sleep_until(again.unwrap_or_else(Instant::now)) => {}
                () = self.asked.notified() => {}
            }
            match dialer.connect(address, server_key).await {
                Ok(link) => {
                    *self.silent() = None;
                    return link;
                }
                Err(error) => {
                    tracing::debug!(%error, "UDP still gets no answer");
                    self.note_silence(dialer.profile(), address);
                }
            }
        }
    }

    async fn race<T>(
        &self,
        profile: LinkProfile,
        address: SocketAddr,
        udp: impl Future<Output = Result<T, DialError>>,
        tcp: impl Future<Output = Result<T, DialError>>,
    ) -> Result<T, DialError> {
        let tcp_is_ahead = self.is_silent(address);
        let (mut udp, mut tcp) = (pin!(udp), pin!(tcp));
        let mut ahead_time = pin!(sleep(match profile {
            LinkProfile::Wide => AHEAD_WIDE,
            LinkProfile::Narrow => AHEAD_NARROW,
        }));
        let mut both = false;
        let (mut udp_failed, mut tcp_failed) = (None, None);
        loop {
            tokio::select! {
                result = &mut udp, if udp_failed.is_none() && (both || !tcp_is_ahead) => {
                    match result {
                        Ok(done) => {
                            *self.silent() = None;
                            return Ok(done);
                        }
                        Err(error) if is_final(&error) => return Err(error),
                        Err(error) => udp_failed = Some(error),
                    }
                    both = true;
                }
                result = &mut tcp, if tcp_failed.is_none() && (both || tcp_is_ahead) => {
                    match result {
                        Ok(done) => {
                            // Where TCP was ahead, UDP had no chance to answer.
                            if !tcp_is_ahead {
                                self.note_silence(profile, address);
                            }
                            return Ok(done);
                        }
                        Err(error) => tcp_failed = Some(error),
                    }
                    both = true;
                }
                () = &mut ahead_time, if !both => both = true,
            }
            match (udp_failed.take(), tcp_failed.take()) {
                (Some(DialError::Unreachable(_)), Some(error)) => return Err(error),
                (Some(error), Some(_)) => return Err(error),
                (udp, tcp) => (udp_failed, tcp_failed) = (udp, tcp),
            }
        }
    }

    /// Whether UDP got no answer lately, from where this machine is now.
    fn is_silent(&self, address: SocketAddr) -> bool {
        let mut silent = self.silent();
        *silent = silent.filter(|silent| silent.at == socket::leaves_from(address));
        silent.is_some_and(|silent| silent.since.elapsed() < silent.believed)
    }

    fn note_silence(&self, profile: LinkProfile, address: SocketAddr) {
        let most = match profile {
            LinkProfile::Wide => SILENT_WIDE,
            LinkProfile::Narrow => SILENT_NARROW,
        };
        let mut silent = self.silent();
        let believed =
            silent.map_or(most / SILENT_FIRST_PART, |silent| (silent.believed * 2).min(most));
        let at = socket::leaves_from(address);
        *silent = Some(Silent { since: Instant::now(), believed, at });
    }

    fn silent(&self) -> MutexGuard<'_, Option<Silent>> {
        // Nothing panics while holding it; if something did, the note is still whole.
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether somebody answered over UDP, and refused: the other road leads to the same server.
const fn is_final(error: &DialError) -> bool {
    match error {
        DialError::WrongServerKey(_)
        | DialError::Busy(_)
        | DialError::Incompatible(_)
        | DialError::Config(_)
        | DialError::Request
        | DialError::AnswerTooLong
        | DialError::Late
        | DialError::Ended(LinkError::NotAdmitted | LinkError::ClosedByPeer { .. }) => true,
        DialError::Socket(_) | DialError::Unreachable(_) | DialError::Ended(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::net::Ipv4Addr;

    use super::*;
    use crate::Road;

    const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9);

    /// What a road gives, and after how many seconds; `None` for never.
    type Answer = Option<(u64, Result<Road, DialError>)>;

    async fn after(answer: Answer) -> Result<Road, DialError> {
        match answer {
            Some((seconds, result)) => {
                sleep(Duration::from_secs(seconds)).await;
                result
            }
            None => pending().await,
        }
    }

    const fn down() -> DialError {
        DialError::Unreachable(SERVER)
    }

    fn word(result: Result<Road, DialError>) -> &'static str {
        match result {
            Ok(road) => road.word(),
            Err(DialError::Unreachable(_)) => "unreachable",
            Err(DialError::WrongServerKey(_)) => "wrong key",
            Err(DialError::Busy(_)) => "busy",
            Err(_) => "another error",
        }
    }

    #[track_caller]
    fn check(
        roads: &Roads,
        udp: Answer,
        tcp: Answer,
        expected: (&'static str, u64),
    ) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let began = Instant::now();
            let done = roads.race(LinkProfile::Wide, SERVER, after(udp), after(tcp)).await;
            assert_eq!((word(done), began.elapsed().as_secs()), expected, "{caller}");
        }
    }

    const UDP: Result<Road, DialError> = Ok(Road::Udp);
    const TCP: Result<Road, DialError> = Ok(Road::Tcp);

    #[tokio::test(start_paused = true)]
    async fn the_first_that_answers_is_taken_and_udp_is_ahead() {
        let new = Roads::default;
        check(&new(), Some((0, UDP)), Some((0, TCP)), ("udp", 0)).await;
        check(&new(), Some((1, UDP)), Some((0, TCP)), ("udp", 1)).await;
        check(&new(), Some((3, UDP)), Some((2, TCP)), ("udp", 3)).await;
        check(&new(), None, Some((0, TCP)), ("tcp", 2)).await;
        check(&new(), Some((0, Err(down()))), Some((1, TCP)), ("tcp", 1)).await;
        check(&new(), Some((5, UDP)), Some((0, Err(down()))), ("udp", 5)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_over_udp_is_final_and_one_over_tcp_is_not() {
        let new = Roads::default;
        let wrong = || Err(DialError::WrongServerKey(SERVER));
        check(&new(), Some((0, wrong())), Some((0, TCP)), ("wrong key", 0)).await;
        check(&new(), Some((3, wrong())), Some((9, TCP)), ("wrong key", 3)).await;
        check(&new(), Some((1, Err(DialError::Busy(SERVER)))), Some((0, TCP)), ("busy", 1)).await;
        check(&new(), Some((9, UDP)), Some((0, wrong())), ("udp", 9)).await;
        // Neither: what somebody said is told, not that nobody answered.
        check(&new(), Some((9, Err(down()))), Some((0, wrong())), ("wrong key", 9)).await;
        check(&new(), Some((1, Err(down()))), Some((1, Err(down()))), ("unreachable", 2)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn after_silence_tcp_is_ahead_for_a_while_that_grows_to_ten_minutes() {
        let roads = Roads::default();
        for minutes in [1, 2, 4, 8, 10, 10] {
            check(&roads, None, Some((0, TCP)), ("tcp", 2)).await;
            check(&roads, Some((0, UDP)), Some((1, TCP)), ("tcp", 1)).await;
            sleep(Duration::from_secs(minutes * 60 - 2)).await;
            check(&roads, Some((0, UDP)), Some((0, TCP)), ("tcp", 0)).await;
            sleep(Duration::from_secs(1)).await;
        }
        check(&roads, Some((0, UDP)), Some((1, TCP)), ("udp", 0)).await;

        check(&roads, None, Some((0, TCP)), ("tcp", 2)).await;
        roads.ask_again();
        check(&roads, Some((0, UDP)), Some((1, TCP)), ("udp", 0)).await;
        // Where TCP does not answer, UDP is taken at once, and is ahead from then on.
        check(&roads, None, Some((0, TCP)), ("tcp", 2)).await;
        check(&roads, Some((0, UDP)), Some((0, Err(down()))), ("udp", 0)).await;
        check(&roads, Some((0, UDP)), Some((1, TCP)), ("udp", 0)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn another_network_is_another_chance_for_udp() {
        let roads = Roads::default();
        check(&roads, None, Some((0, TCP)), ("tcp", 2)).await;
        roads.silent().as_mut().unwrap().at = Some(IpAddr::from([192, 0, 2, 7]));
        check(&roads, Some((0, UDP)), Some((1, TCP)), ("udp", 0)).await;
    }
}
