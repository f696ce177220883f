//! One request to stop, seen by every part of a program.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Makes the request.
#[derive(Clone, Debug)]
pub struct Stop(watch::Sender<bool>);

impl Stop {
    /// Asks every holder of a [`Shutdown`] to finish. Asking twice is asking once.
    pub fn request(&self) {
        self.0.send_replace(true);
    }
}

/// Sees the request; cheap to clone.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// A request that somebody in this program makes, and those who see it. When every [`Stop`] is
    /// gone the request counts as made.
    #[must_use]
    pub fn new() -> (Stop, Self) {
        let (sender, receiver) = watch::channel(false);
        (Stop(sender), Self(receiver))
    }

    /// A request that an operator makes with Ctrl-C (SIGINT), or the service manager (SIGTERM).
    ///
    /// # Errors
    ///
    /// When the signals cannot be caught.
    pub fn on_signals() -> io::Result<(Stop, Self)> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let (stop, shutdown) = Self::new();
        let by_signal = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            tracing::info!("stopping");
            by_signal.request();
        });
        Ok((stop, shutdown))
    }

    /// Whether the request was made.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Waits for the request.
    pub async fn requested(&self) {
        // An error means that nobody is left who could ask: the program is coming down.
        let _ = self.0.clone().wait_for(|requested| *requested).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everybody_sees_the_request_early_or_late() {
        let (stop, shutdown) = Shutdown::new();
        let early = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.requested().await }
        });
        assert!(!shutdown.is_requested());
        stop.request();
        early.await.unwrap();
        shutdown.requested().await;
        assert!(shutdown.is_requested());
    }

    #[tokio::test]
    async fn a_program_whose_stops_are_gone_is_stopping() {
        let (stop, shutdown) = Shutdown::new();
        drop(stop);
        shutdown.requested().await;
        assert!(shutdown.is_requested());
    }
}
