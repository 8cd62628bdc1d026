//! The tokens whose calls wait or stream. A token that the registry takes back ends them.

use std::collections::HashMap;

use parking_lot::Mutex;
use registry_client::{Caller, TokenDigest};
use tokio_util::sync::CancellationToken;

/// The applications of the tokens in use. The registry bounds how many there are.
#[derive(Debug, Default)]
pub(crate) struct ActiveTokens(Mutex<HashMap<TokenDigest, ActiveToken>>);

#[derive(Debug)]
struct ActiveToken {
    application: String,
    revoked: CancellationToken,
}

impl ActiveTokens {
    /// Cancelled once the caller's token is no longer accepted.
    pub(crate) fn revoked(&self, caller: &Caller) -> CancellationToken {
        let mut tokens = self.0.lock();
        let token = tokens.entry(caller.token).or_insert_with(|| ActiveToken {
            application: caller.application.id.clone(),
            revoked: CancellationToken::new(),
        });
        token.revoked.clone()
    }

    /// Ends the calls of each token that is no longer accepted for its application.
    pub(crate) fn revoke_unless(&self, is_accepted: impl Fn(&TokenDigest, &str) -> bool) {
        self.0.lock().retain(|token, it| {
            let is_accepted = is_accepted(token, &it.application);
            if !is_accepted {
                it.revoked.cancel();
            }
            is_accepted
        });
    }
}
