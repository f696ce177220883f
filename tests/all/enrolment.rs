//! Getting in: once, by the right invitation, whatever happens meanwhile.

use std::net::{SocketAddr, TcpListener};

use directory::{Invitation, JoinRequest, JoinResponse, Refusal};
use tests::programs::binaries::Binary;
use tests::programs::network::{door, folder, invitation};
use tests::programs::{Home, Relay, Serving};
use transport::{Dialer, LinkProfile, TlsIdentity};

/// A hub, with an invitation.
struct Door {
    home: Home,
    hub: Serving,
    invitation: Invitation,
    _folder: tempfile::TempDir,
}

impl Door {
    fn open() -> Self {
        let folder = folder();
        let home = Home::new(Binary::Hub, folder.path(), "hub");
        home.tell(&["init"]);
        let hub = home.serve();
        let invitation = invitation(&home, "north", door(&hub)).parse().unwrap();
        Self { home, hub, invitation, _folder: folder }
    }

    fn address(&self) -> SocketAddr {
        door(&self.hub)
    }

    fn restart(&mut self) {
        self.hub.kill();
        self.hub = self.home.serve();
    }

    fn sites(&self) -> usize {
        self.home.status()["sites"].as_array().unwrap().len()
    }
}

/// Tries to join with keys that `number` gives; `None` when the hub did not answer.
async fn attempt(hub: SocketAddr, invitation: &Invitation, number: u8) -> Option<JoinResponse> {
    let (node_seed, tls_seed) = ([number; 32], [number ^ 0xff; 32]);
    let identity = TlsIdentity::from_seed(&tls_seed).unwrap();
    let token = invitation.token.clone();
    let key = invitation.hub_tls_key;
    let request = JoinRequest::sign(token, &node_seed, &key, identity.public_key());
    let dialer = Dialer::new(&identity, LinkProfile::Wide).unwrap();
    let answer = dialer.join(hub, &key, &request.to_bytes()).await.ok()?;
    Some(JoinResponse::from_bytes(&answer).unwrap())
}

/// Tries with each of these numbers at once.
fn attempts(door: &Door, numbers: std::ops::Range<u8>) -> Vec<Option<JoinResponse>> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (hub, invitation) = (door.address(), door.invitation.clone());
    runtime.block_on(async {
        let tries: Vec<_> = numbers
            .map(|number| {
                let invitation = invitation.clone();
                tokio::spawn(async move { attempt(hub, &invitation, number).await })
            })
            .collect();
        let mut answers = Vec::new();
        for one in tries {
            answers.push(one.await.unwrap());
        }
        answers
    })
}

#[test]
fn of_a_hundred_that_try_one_invitation_at_once_exactly_one_gets_in() {
    let mut door = Door::open();
    let answers = attempts(&door, 1..101);
    let winners: Vec<u8> =
        (1..).zip(&answers).filter(|(_, answer)| is_in(answer)).map(|(n, _)| n).collect();
    let [winner] = winners[..] else { panic!("{winners:?} got in") };
    let used =
        |answer: &Option<JoinResponse>| *answer == Some(JoinResponse::Refused(Refusal::Used));
    let losers = answers.iter().filter(|answer| !is_in(answer));
    assert!(losers.clone().all(used), "{:?}", losers.collect::<Vec<_>>());
    assert_eq!(door.sites(), 1);

    // Whoever got in may ask again, as after a lost answer; nobody else, after a crash neither.
    door.restart();
    assert_eq!(door.sites(), 1);
    assert!(is_in(&attempts(&door, winner..winner + 1)[0]));
    assert!(used(&attempts(&door, 200..201)[0]));
    assert_eq!(door.sites(), 1);
}

fn is_in(answer: &Option<JoinResponse>) -> bool {
    matches!(answer, Some(JoinResponse::Accepted(_)))
}

#[test]
fn a_hub_that_is_killed_while_a_crowd_tries_lets_one_in_or_nobody_yet() {
    let mut door = Door::open();
    for round in 0..5 {
        let numbers = round * 20 + 1..round * 20 + 21;
        let answers = std::thread::scope(|scope| {
            let crowd = scope.spawn(|| attempts(&door, numbers));
            // Killed as soon as the crowd is through, or has got somebody in.
            tests::programs::until("somebody is in", || crowd.is_finished() || door.sites() == 1);
            crowd.join().unwrap()
        });
        let count = answers.iter().filter(|answer| is_in(answer)).count();
        assert!(count <= 1);
        door.restart();
        assert_eq!(door.sites(), 1, "round {round}");
    }
}

#[test]
fn whoever_guesses_is_soon_not_heard_any_more() {
    let mut door = Door::open();
    let right = door.invitation.clone();
    door.invitation.token = directory::Token::new([7; 16]);
    for number in 1..6 {
        let answer = attempts(&door, number..number + 1).remove(0);
        assert_eq!(answer, Some(JoinResponse::Refused(Refusal::Foreign)), "try {number}");
    }
    door.invitation = right;
    let answer = attempts(&door, 9..10).remove(0);
    let Some(JoinResponse::Refused(refusal @ Refusal::TooManyTries { .. })) = answer else {
        panic!("{answer:?}")
    };
    assert!(refusal.to_string().contains("Wait"), "{refusal}");
}

/// A hub that has too much to do: it takes a connection and says nothing.
#[test]
fn whoever_gets_no_answer_asks_again() {
    let folder = folder();
    let door = Door::open();
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let wire = Relay::to(busy.local_addr().unwrap());
    wire.block_udp();
    let line = invitation(&door.home, "south", wire.address());
    let home = Home::new(Binary::EdgeNode, folder.path(), "south");
    home.tell(&["init"]);
    std::thread::scope(|scope| {
        let joining = scope.spawn(|| home.tell(&["join", &line]));
        let (first, _) = busy.accept().unwrap();
        wire.lead_to(door.address());
        drop(first);
        assert_eq!(joining.join().unwrap(), "joined the hub as south\n");
    });
    assert_eq!(door.sites(), 1);
}

#[test]
fn an_invitation_that_lets_nobody_in_says_why() {
    let folder = folder();
    let door = Door::open();
    let clinic = |name: &str| {
        let home = Home::new(Binary::EdgeNode, folder.path(), name);
        home.tell(&["init"]);
        home
    };
    let line = door.invitation.to_string();
    clinic("first").tell(&["join", &line]);
    let second = clinic("second");
    check(&second, &line, "This invitation was used already");

    let older = invitation(&door.home, "south", door.address());
    let newer = invitation(&door.home, "south", door.address());
    check(&second, &older, "no longer valid");

    // Of another hub: at this one's address, and with this one's key.
    let other = Door::open();
    let elsewhere = invitation(&other.home, "south", door.address());
    check(&second, &elsewhere, "holds another key than the one this node was told to trust");
    let mut crossed: Invitation = elsewhere.parse().unwrap();
    crossed.hub_tls_key = door.invitation.hub_tls_key;
    check(&second, &crossed.to_string(), "This hub did not issue this invitation");

    let swapped = newer.replacen('Q', "R", 1);
    let mistyped = if swapped == newer { newer.replacen('A', "B", 1) } else { swapped };
    check(&second, &mistyped, "mistyped or incomplete");
    check(&second, newer.get(..40).unwrap(), "mistyped or incomplete");
    check(&second, "north-valley", "this is not an invitation");
    check(&second, &newer.replacen("CAIRN1", "CAIRN2", 1), "made by a newer hub");

    // After all of that the right one still works, in whatever case and however it was broken.
    let spoken = newer.to_lowercase();
    let (head, tail) = spoken.split_at(30);
    second.tell(&["join", &format!("{head} {tail}")]);
    check(&second, &newer, "has joined a hub already");
}

#[track_caller]
fn check(home: &Home, invitation: &str, sentence: &str) {
    let said = home.refused(&["join", invitation]);
    assert!(said.contains(sentence), "{said}");
    assert!(!said.contains(invitation), "an invitation is a secret: {said}");
}
