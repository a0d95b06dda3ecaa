// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAttestationVerifier} from "../IAttestationVerifier.sol";

interface IReputation {
    function adopt(uint48 newSequence, uint48 newEpoch, bytes calldata users) external;
    function seal(address newSuccessor) external;
}

interface IReputationFactory {
    function createReputation(address referrer, bytes calldata attestation)
        external
        returns (address);
}

/// @title What a foreign contract can answer when it means harm. For tests only
abstract contract Misbehaving {
    enum Way {
        No,
        Yes,
        Three,
        Nothing,
        TooMuch,
        Revert,
        RevertWithMegabyte,
        ReturnMegabyte,
        BurnAllGas
    }

    Way public immutable way;

    constructor(Way way_) {
        way = way_;
    }

    /// @dev Ends the call in its way. `words`: how long the proper answer is.
    function _answer(uint256 words) internal view {
        Way chosen = way;
        assembly {
            let value := chosen
            if eq(chosen, 2) { value := 3 } // its lowest bit alone would be a yes
            let size := mul(words, 0x20)
            for { let at := 0 } lt(at, size) { at := add(at, 0x20) } { mstore(at, value) }
            switch chosen
            case 3 { return(0, 0) }
            case 4 {
                mstore(0x00, 1)
                return(0, add(size, 0x20))
            }
            case 5 { revert(0, 0) }
            case 6 { revert(0, 0x100000) }
            case 7 {
                mstore(0x00, 1)
                return(0, 0x100000)
            }
            case 8 { invalid() }
            default { return(0, size) }
        }
    }
}

/// @title A verifier that answers in one way
contract HostileVerifier is Misbehaving, IAttestationVerifier {
    constructor(Way way_) Misbehaving(way_) {}

    function verify(address, address, bytes calldata) external view returns (bool) {
        _answer(1);
    }
}

/// @title A verifier as one should be: the attestation is bound to owner and referrer
contract BoundVerifier is IAttestationVerifier {
    function verify(address owner, address referrer, bytes calldata attestation)
        external
        pure
        returns (bool)
    {
        return keccak256(attestation) == keccak256(abi.encode(owner, referrer));
    }
}

/// @title A verifier that says yes, and opens a contract of its own while it is asked
/// @dev It does not promise to be a view; the factory must not rely on promises.
contract ReentrantVerifier {
    function verify(address, address, bytes calldata attestation) external returns (bool) {
        // Its own creation comes back here, without an attestation.
        if (attestation.length != 0) {
            // Enough gas for a creation, and enough left for the one that asked.
            try IReputationFactory(msg.sender).createReputation{gas: 4000000}(address(0), "") {}
                catch {}
        }
        return true;
    }
}

/// @title A referrer that answers in one way
contract HostileReferrer is Misbehaving {
    constructor(Way way_) Misbehaving(way_) {}

    function ownAccountOf(bytes32) external view returns (uint256, bytes32) {
        _answer(2);
    }
}

/// @title Owner and referrer of a contract at once, which writes while it is asked for an account
contract ReentrantReferrer {
    IReputation public reputation;
    bytes32 private immutable _keyHash;

    constructor(bytes32 keyHash) {
        _keyHash = keyHash;
    }

    function adopt(IReputation reputation_, bytes calldata users) external {
        reputation = reputation_;
        reputation.adopt(1, 1, users);
    }

    function ownAccountOf(bytes32) external returns (uint256, bytes32) {
        try reputation.seal(address(this)) {
            return (uint256(1) << 200, _keyHash);
        } catch {
            return (7, _keyHash);
        }
    }
}

/// @title A contract that creates one for itself, on behalf of whoever sends the transaction
contract Creator {
    function create(IReputationFactory factory, bytes calldata attestation) external {
        factory.createReputation(address(0), attestation);
    }
}
