// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAttestationVerifier} from "./IAttestationVerifier.sol";
import {Reputation} from "./Reputation.sol";

/// @title Creates reputation contracts and knows which ones it created
/// @notice The RepFactory of the paper (section 4.2). Anybody may create a contract and owns it
/// then; a contract may name a predecessor, its referrer, which must have come from the same
/// factory, so that its code is known to be a Reputation.
/// @dev Nobody owns the factory and nothing in it can be changed, undone or paid.
contract ReputationFactory {
    /// @notice Who is asked before a creation; zero: nobody
    IAttestationVerifier public immutable verifier;

    /// @notice Whether this factory created the contract at an address
    mapping(address reputation => bool) public isReputation;

    /// @notice How many contracts an owner has created; the salt of the next
    mapping(address owner => uint256) public createdCount;

    /// @notice A contract was created
    /// @param reputation where it is
    /// @param owner who alone may write to it
    /// @param referrer its predecessor, or zero
    event ReputationCreated(
        address indexed reputation, address indexed owner, address indexed referrer
    );

    /// @notice The referrer is not a contract of this factory
    error UnknownReferrer(address referrer);
    /// @notice The verifier refused, reverted, or did not answer with one boolean
    error AttestationRefused();
    /// @notice The verifier given at deployment is not a contract
    error VerifierHasNoCode(address verifier);

    /// @param verifier_ who decides about creations, for ever; zero: everybody may create
    constructor(IAttestationVerifier verifier_) {
        if (address(verifier_) != address(0) && address(verifier_).code.length == 0) {
            revert VerifierHasNoCode(address(verifier_));
        }
        verifier = verifier_;
    }

    /// @notice Create a reputation contract that the sender owns
    /// @dev CREATE2 with the owner and referrer in the hashed code: after a reorganisation of the
    /// chain nobody else's contract can come to stand at an address that was already announced.
    /// @param referrer the predecessor whose users are found through the new contract, or zero
    /// @param attestation passed to the verifier when there is one, else ignored
    /// @return reputation the new contract
    function createReputation(address referrer, bytes calldata attestation)
        external
        returns (address reputation)
    {
        if (referrer != address(0) && !isReputation[referrer]) revert UnknownReferrer(referrer);
        if (address(verifier) != address(0) && !_verified(referrer, attestation)) {
            revert AttestationRefused();
        }
        uint256 serial = createdCount[msg.sender]++;
        reputation = address(new Reputation{salt: bytes32(serial)}(msg.sender, referrer));
        isReputation[reputation] = true;
        emit ReputationCreated(reputation, msg.sender, referrer);
    }

    /// @dev In assembly so that at most one word of the answer is ever copied: what a verifier
    /// returns or reverts with must not be able to cost more than the call. Only the word 1 means
    /// yes.
    function _verified(address referrer, bytes calldata attestation)
        private
        view
        returns (bool accepted)
    {
        bytes memory question =
            abi.encodeCall(IAttestationVerifier.verify, (msg.sender, referrer, attestation));
        address target = address(verifier);
        assembly ("memory-safe") {
            let ended := staticcall(gas(), target, add(question, 0x20), mload(question), 0x00, 0x20)
            accepted := and(ended, and(eq(returndatasize(), 0x20), eq(mload(0x00), 1)))
        }
    }
}
