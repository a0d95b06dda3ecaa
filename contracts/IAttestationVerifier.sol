// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title Decides whether a tracker may open a reputation contract
/// @notice A factory that was deployed with a verifier asks it before every creation. A verifier
/// checks, for example, that a quote of trusted hardware names the owner's key.
/// @dev Called with STATICCALL: it can neither change state nor call back into the factory.
/// Whatever it does (revert, spend all gas, return megabytes) costs only the caller who asked for
/// a creation.
interface IAttestationVerifier {
    /// @notice Whether the attestation holds for this owner and referrer
    /// @dev An implementation must bind the attestation to `owner`, or anybody who saw it in a
    /// transaction can use it again.
    /// @param owner who will own the contract; the sender of the creation
    /// @param referrer the predecessor, or zero
    /// @param attestation the evidence, in the verifier's own format
    /// @return accepted true and nothing else lets the creation go on
    function verify(address owner, address referrer, bytes calldata attestation)
        external
        view
        returns (bool accepted);
}
