//! The open connections of a server, and which of them ends when there are too many.
//!
//! A connection without an authenticated call is worth nothing yet: when a bound is reached the one
//! that has been idle for longest ends, so a newcomer never waits for a stranger's time limit. An
//! authenticated connection ends only for another authenticated one: of its own owner while it has no
//! request in progress, or of an owner with fewer connections when all together are too many. An
//! idle one also ends for a newcomer of its own address.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::limits::ServerLimits;
use super::unread::UnreadResponses;

/// All open connections of one server. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct Connections(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limits: ServerLimits,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    next_id: u64,
    by_id: HashMap<u64, Entry>,
    unauthenticated: usize,
    /// The unauthenticated ones of each address, oldest first: an eviction looks at few of them,
    /// because a flood of newcomers causes one each time.
    strangers: HashMap<IpAddr, VecDeque<u64>>,
    by_address: HashMap<IpAddr, usize>,
    by_owner: HashMap<Arc<str>, usize>,
}

#[derive(Debug)]
struct Entry {
    /// None: no call of the connection was authenticated yet.
    owner: Option<Arc<str>>,
    connection: Arc<Inner>,
}

/// What a connection and its requests share.
#[derive(Debug)]
struct Inner {
    id: u64,
    address: IpAddr,
    server: Weak<Shared>,
    activity: Mutex<Activity>,
    unread: UnreadResponses,
    /// Cancelled when the connection has to end.
    evicted: CancellationToken,
}

#[derive(Clone, Copy, Debug)]
struct Activity {
    requests: usize,
    is_authenticated: bool,
    idle_since: Instant,
}

/// One open connection, among the extensions of each of its requests.
#[derive(Clone, Debug)]
pub struct ServedConnection(Arc<Inner>);

/// Why a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unused {
    /// No call was authenticated in time.
    Stranger,
    /// No call was in progress for a long time.
    Idle,
    /// The peer does not read a response.
    Unread,
}

/// Counts a connection until it is dropped.
#[derive(Debug)]
pub(super) struct OpenConnection(ServedConnection);

/// Counts a request of a connection until it is dropped.
#[derive(Debug)]
pub(super) struct OpenRequest(ServedConnection);

impl Connections {
    pub(super) fn new(limits: ServerLimits) -> Self {
        Self(Arc::new(Shared { limits, open: Mutex::default() }))
    }

    /// Counts a new connection, and ends another one when a bound is reached. None: its address has
    /// only connections with requests in progress, and no more of them are allowed.
    pub(super) fn open(&self, address: IpAddr) -> Option<OpenConnection> {
        let limits = &self.0.limits;
        let mut open = self.0.open.lock();
        let of_address = open.by_address.get(&address).copied().unwrap_or_default();
        if of_address >= limits.address_connections_max.max(1) {
            let victim = open.idlest_stranger(&address);
            let idle = || open.idlest(|it| it.connection.address == address && it.requests() == 0);
            let victim = victim.or_else(idle)?;
            open.evict(victim);
        }
        if open.unauthenticated >= limits.unauthenticated_max.max(1) {
            open.evict_unauthenticated();
        }
        let id = open.next_id;
        open.next_id += 1;
        let activity =
            Activity { requests: 0, is_authenticated: false, idle_since: Instant::now() };
        let connection = Arc::new(Inner {
            id,
            address,
            server: Arc::downgrade(&self.0),
            activity: Mutex::new(activity),
            unread: UnreadResponses::default(),
            evicted: CancellationToken::new(),
        });
        open.unauthenticated += 1;
        open.strangers.entry(address).or_default().push_back(id);
        *open.by_address.entry(address).or_default() += 1;
        open.by_id.insert(id, Entry { owner: None, connection: connection.clone() });
        Some(OpenConnection(ServedConnection(connection)))
    }

    /// Ends the unauthenticated connection that has been idle for longest, for a process that has no
    /// file descriptor left.
    pub(super) fn evict_unauthenticated(&self) {
        self.0.open.lock().evict_unauthenticated();
    }
}

impl Entry {
    fn requests(&self) -> usize {
        self.connection.activity.lock().requests
    }
}

impl Open {
    /// The connection among these that has been without a request for longest; one with a request
    /// in progress only when there is no other.
    fn idlest(&self, is_candidate: impl Fn(&Entry) -> bool) -> Option<u64> {
        let candidates = self.by_id.iter().filter(|(_, it)| is_candidate(it));
        let idleness = |id: u64, it: &Entry| {
            let activity = *it.connection.activity.lock();
            (activity.requests > 0, activity.idle_since, id)
        };
        candidates.map(|(id, it)| idleness(*id, it)).min().map(|(_, _, id)| id)
    }

    /// Ends an unauthenticated connection of the address that has most of them, so that one address
    /// cannot drive out the newcomers of the others.
    fn evict_unauthenticated(&mut self) {
        let most = self.strangers.iter().max_by_key(|(_, ids)| ids.len());
        let victim = most.and_then(|(address, _)| self.idlest_stranger(address));
        if let Some(victim) = victim {
            self.evict(victim);
        }
    }

    /// The oldest unauthenticated connection of an address without a request in progress, or else
    /// the oldest.
    fn idlest_stranger(&self, address: &IpAddr) -> Option<u64> {
        let ids = self.strangers.get(address)?;
        let is_idle = |id: &&u64| self.by_id.get(*id).is_some_and(|it| it.requests() == 0);
        ids.iter().find(is_idle).or_else(|| ids.front()).copied()
    }

    fn remove_stranger(&mut self, address: &IpAddr, id: u64) {
        self.unauthenticated -= 1;
        let Some(ids) = self.strangers.get_mut(address) else { return };
        if let Ok(index) = ids.binary_search(&id) {
            ids.remove(index);
        }
        if ids.is_empty() {
            self.strangers.remove(address);
        }
    }

    fn evict(&mut self, id: u64) {
        if let Some(connection) = self.remove(id) {
            tracing::debug!("connection ends for a newer one");
            connection.evicted.cancel();
        }
    }

    fn remove(&mut self, id: u64) -> Option<Arc<Inner>> {
        let entry = self.by_id.remove(&id)?;
        subtract_one(&mut self.by_address, &entry.connection.address);
        match entry.owner {
            Some(owner) => subtract_one(&mut self.by_owner, &owner),
            None => self.remove_stranger(&entry.connection.address, id),
        }
        Some(entry.connection)
    }

    /// Makes room for one more authenticated connection of an owner. False: none may end for it.
    fn make_room(&mut self, limits: &ServerLimits, owner: &str) -> bool {
        let of_owner = self.by_owner.get(owner).copied().unwrap_or_default();
        let is_of = |it: &Entry, owner: &str| it.owner.as_deref() == Some(owner);
        if of_owner >= limits.owner_connections_max.max(1) {
            let idle = self.idlest(|it| is_of(it, owner) && it.requests() == 0);
            let Some(victim) = idle else { return false };
            self.evict(victim);
        }
        if self.by_id.len() - self.unauthenticated < limits.connections_max.max(1) {
            return true;
        }
        let most = self.by_owner.iter().max_by_key(|(_, count)| **count);
        let Some((most, count)) = most.map(|(owner, count)| (owner.clone(), *count)) else {
            return false;
        };
        // Several greedy owners may not shut out one that has less: it gets one of theirs, in use or
        // not.
        let is_greedy = count > of_owner + 1;
        let victim = self.idlest(|it| is_of(it, &most) && (is_greedy || it.requests() == 0));
        victim.inspect(|it| self.evict(*it)).is_some()
    }
}

fn subtract_one<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

impl ServedConnection {
    /// Notes that a call of this connection was authenticated, and who made it. The first owner of a
    /// connection stays, because a proxy may send the calls of several over one. False: the owner
    /// has as many connections as it may have, and the call must be refused.
    pub fn authenticate(&self, owner: &str) -> bool {
        if self.0.activity.lock().is_authenticated {
            return true;
        }
        let Some(server) = self.0.server.upgrade() else { return true };
        let mut open = server.open.lock();
        if open.by_id.get(&self.0.id).is_none_or(|it| it.owner.is_some()) {
            // Two requests of one connection were authenticated at the same time, or it is ending.
            return true;
        }
        if !open.make_room(&server.limits, owner) {
            return false;
        }
        let Some(entry) = open.by_id.get_mut(&self.0.id) else { return true };
        let owner: Arc<str> = owner.into();
        entry.owner = Some(owner.clone());
        entry.connection.activity.lock().is_authenticated = true;
        open.remove_stranger(&self.0.address, self.0.id);
        *open.by_owner.entry(owner).or_default() += 1;
        true
    }

    /// The address of the peer.
    pub fn peer(&self) -> IpAddr {
        self.0.address
    }

    pub(super) fn start_request(&self) -> OpenRequest {
        self.0.activity.lock().requests += 1;
        OpenRequest(self.clone())
    }

    pub(super) fn unread(&self) -> &UnreadResponses {
        &self.0.unread
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        let mut activity = self.0.0.activity.lock();
        activity.requests -= 1;
        activity.idle_since = Instant::now();
    }
}

impl OpenConnection {
    pub(super) fn connection(&self) -> &ServedConnection {
        &self.0
    }

    /// Waits until the connection must make room for another one.
    pub(super) async fn evicted(&self) {
        self.0.0.evicted.cancelled().await;
    }

    /// True while no request is in progress.
    pub(super) fn is_idle(&self) -> bool {
        self.0.0.activity.lock().requests == 0
    }

    /// Waits until the connection was without a request for too long, or has left a response unread
    /// for too long.
    pub(super) async fn unused(&self, limits: &ServerLimits) -> Unused {
        loop {
            match self.check_use(limits, Instant::now()) {
                Ok(next) => tokio::time::sleep_until(next).await,
                Err(unused) => return unused,
            }
        }
    }

    /// When the use of the connection must be checked again, or why it is unused now.
    fn check_use(&self, limits: &ServerLimits, now: Instant) -> Result<Instant, Unused> {
        let activity = *self.0.0.activity.lock();
        let (idle_ms_max, unused) = match activity.is_authenticated {
            true => (limits.idle_ms_max, Unused::Idle),
            false => (limits.first_request_ms_max, Unused::Stranger),
        };
        let idle_max = Duration::from_millis(idle_ms_max);
        // With a request in progress it cannot become idle earlier.
        let idle_at = if activity.requests == 0 { activity.idle_since } else { now } + idle_max;
        let unread_max = Duration::from_millis(limits.unread_ms_max);
        let unread_at = self.0.unread().oldest().unwrap_or(now) + unread_max;
        if unread_at <= now {
            return Err(Unused::Unread);
        }
        if idle_at <= now {
            return Err(unused);
        }
        // The first authenticated call changes which of the two limits holds.
        let shortest = Duration::from_millis(limits.idle_ms_max.min(limits.first_request_ms_max));
        Ok(idle_at.min(unread_at).min(now + shortest))
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        if let Some(server) = self.0.0.server.upgrade() {
            server.open.lock().remove(self.0.0.id);
        }
    }
}

#[cfg(test)]
#[path = "connections/tests.rs"]
mod tests;
