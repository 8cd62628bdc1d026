//! What crosses a process boundary: the contracts, the envelope, the fault catalogue.
//!
//! The `.proto` files beside `src` are the source; `protox` compiles them when this crate is
//! built, so no `protoc` is needed. Hand-written code stands only where a contract needs words of
//! its own: [`envelope`] (CloudEvents attribute names) and [`fault`] (the catalogue).
//!
//! # Promises
//!
//! - A number or a name in a contract is never reused; `tests/it` compares with the committed set.
//! - A code that is not in the catalogue does not compile.
//!
//! # Not here
//!
//! Behaviour. This crate uses nobody.

pub mod canonical {
    //! The canonical data model.
    pub mod v1 {
        //! Version 1.
        tonic::include_proto!("lienthong.canonical.v1");
    }
}

pub mod envelope;

pub mod exchange {
    //! What a vendor speaks.
    pub mod v1 {
        //! Version 1.
        tonic::include_proto!("lienthong.exchange.v1");
    }
}

pub mod fault;

pub mod journal {
    //! The journal's calls, and the envelope and body as services hand them to each other.
    pub mod v1 {
        //! Version 1.
        tonic::include_proto!("lienthong.journal.v1");
    }
}

pub mod mapping {
    //! The mapping service's calls.
    pub mod v1 {
        //! Version 1.
        tonic::include_proto!("lienthong.mapping.v1");
    }
}

pub mod message {
    //! What vendors and services both see of a message.
    pub mod v1 {
        //! Version 1.
        tonic::include_proto!("lienthong.message.v1");
    }
}

pub mod scheme;

pub mod registry {
    //! The registry's calls.
    pub mod v1 {
        //! Version 1.
        tonic::include_proto!("lienthong.registry.v1");
    }
}

/// The compiled contracts as an encoded `FileDescriptorSet`, without source info.
pub const CONTRACTS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/contracts.binpb"));

/// Descriptors of all contracts, for JSON transcoding and for the format engine's field names.
///
/// The pool is built once and shared.
pub fn descriptors() -> &'static prost_reflect::DescriptorPool {
    static POOL: std::sync::OnceLock<prost_reflect::DescriptorPool> = std::sync::OnceLock::new();
    POOL.get_or_init(|| prost_reflect::DescriptorPool::decode(CONTRACTS).unwrap_or_default())
}
