//! The contracts between processes: protobuf messages and services, the envelope's CloudEvents
//! attributes, and the catalogue of error codes.
//!
//! The build script compiles the `.proto` files beside `src` with `protox`, so no `protoc` is
//! needed. Hand-written code exists only where the generated types need more: [`base64`] (bytes in
//! JSON and in packets), [`envelope`] (CloudEvents attributes), [`fault`] (error codes and gRPC
//! statuses), [`loss`] (losses that need consent) and [`scheme`] (organisation codes).
//!
//! # Guarantees
//!
//! - No number and no name in a contract is ever reused or changed: `tests/it/compatibility.rs`
//!   compares the contracts with the released set in `contracts.binpb`.
//! - `exchange`, `message` and `fault` compile without the other packages:
//!   `tests/it/vendor_contract.rs`.
//! - An error code that is not in the catalogue does not compile.
//!
//! # Not here
//!
//! Behaviour of services. This crate depends on no other crate of the workspace.

pub mod base64;

pub mod canonical {
    //! The canonical data model.
    pub mod v1 {
        //! Version 1.
        tonic::include_proto!("lienthong.canonical.v1");
    }
}

pub mod envelope;

pub mod exchange {
    //! The interface between adapters and the gateway.
    pub mod v1 {
        //! Version 1.
        tonic::include_proto!("lienthong.exchange.v1");
    }
}

pub mod fault;

pub mod journal {
    //! The interface of the journal, and the envelope and body of messages between services.
    pub mod v1 {
        //! Version 1.
        tonic::include_proto!("lienthong.journal.v1");
    }
}

pub mod loss;

pub mod mapping {
    //! The interface of the mapping service.
    pub mod v1 {
        //! Version 1.
        tonic::include_proto!("lienthong.mapping.v1");
    }
}

pub mod message {
    //! Properties of messages and organisations that vendors and services share.
    pub mod v1 {
        //! Version 1.
        tonic::include_proto!("lienthong.message.v1");
    }
}

pub mod operate {
    //! What every role answers to operators.
    pub mod v1 {
        //! Version 1.
        tonic::include_proto!("lienthong.operate.v1");
    }
}

pub mod scheme;

pub mod registry {
    //! The interface of the registry.
    pub mod v1 {
        //! Version 1.
        tonic::include_proto!("lienthong.registry.v1");
    }
}

/// The compiled contracts: an encoded `FileDescriptorSet` without comments and positions.
pub const CONTRACTS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/contracts.binpb"));

/// Descriptors of all contracts, for the JSON mapping and for the field names of the format engine.
///
/// The first call decodes [`CONTRACTS`]; later calls share the pool.
pub fn descriptors() -> &'static prost_reflect::DescriptorPool {
    static POOL: std::sync::OnceLock<prost_reflect::DescriptorPool> = std::sync::OnceLock::new();
    POOL.get_or_init(|| prost_reflect::DescriptorPool::decode(CONTRACTS).unwrap_or_default())
}
