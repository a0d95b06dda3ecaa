// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAttestationVerifier} from "./IAttestationVerifier.sol";

/// @title Accepts trackers that a quorum of a key service vouches for
/// @notice The nodes of a threshold key service (pbts-kms) verify a tracker's quote, the collateral
/// and their list of measurements, each by itself, and enough of them sign together who the
/// tracker is and until when. This contract checks that one signature against their public key.
/// @dev BLS12-381 with keys in G2 and signatures in G1, by the precompiles of EIP-2537; the
/// ciphersuite of draft-irtf-cfrg-bls-signature-05 and RFC 9380. The signed message has 136 bytes:
///
///   u64 chain id ‖ this contract[20] ‖ owner[20] ‖ lineage[32] ‖ measurement[48] ‖ u64 expiry
///
/// so it is good on one chain, before one verifier, and for one owner, who may use it as often as
/// they like until it expires. There is no storage but the list of lineages, no owner, and no
/// change.
contract KmsVerifier is IAttestationVerifier {
    /// @notice The only factory that is answered, so that no other can live on its attestations
    address public immutable factory;

    /// @notice Whether trackers of a lineage may open contracts
    mapping(bytes32 lineage => bool) public isLineage;

    // The service's key: four field elements of 64 bytes, the highest 16 bytes of each zero.
    bytes32 private immutable _key0;
    bytes32 private immutable _key1;
    bytes32 private immutable _key2;
    bytes32 private immutable _key3;
    bytes32 private immutable _key4;
    bytes32 private immutable _key5;
    bytes32 private immutable _key6;
    bytes32 private immutable _key7;

    string private constant DOMAIN = "PBTS_V1_KMS_ATTEST_BLS12381G1_XMD:SHA-256_SSWU_RO_";
    uint256 private constant CLAIMS_LENGTH = 32 + 48 + 8; // lineage, measurement, expiry
    uint256 private constant G1_LENGTH = 128;
    uint256 private constant G2_LENGTH = 256;

    address private constant MODEXP = address(0x05);
    address private constant G1ADD = address(0x0b);
    address private constant G2MSM = address(0x0e);
    address private constant PAIRING = address(0x0f);
    address private constant MAP_FP_TO_G1 = address(0x10);

    // The order of the base field.
    bytes private constant MODULUS =
        hex"000000000000000000000000000000001a0111ea397fe69a4b1ba7b6434bacd7"
        hex"64774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab";
    // The generator of G2, its y negated.
    bytes private constant NEGATED_GENERATOR =
        hex"00000000000000000000000000000000024aa2b2f08f0a91260805272dc51051"
        hex"c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8"
        hex"0000000000000000000000000000000013e02b6052719f607dacd3a088274f65"
        hex"596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e"
        hex"000000000000000000000000000000000d1b3cc2c7027888be51d9ef691d77bc"
        hex"b679afda66c73f17f9ee3837a55024f78c71363275a75d75d86bab79f74782aa"
        hex"0000000000000000000000000000000013fa4d4a0ad8b1ce186ed5061789213d"
        hex"993923066dddaf1040bc3ff59f825c78df74f2d75467e25e0f55f8a00fa030ed";

    /// @notice Somebody else than the factory asks
    error NotTheFactory(address sender);
    /// @notice The attestation, the key or the list of lineages has not the length it should have
    error BadLength(uint256 length);
    /// @notice Trackers of this lineage may not open contracts
    error UnknownLineage(bytes32 lineage);
    /// @notice The attestation was good until then
    error Expired(uint64 expiry);
    /// @notice The key or signature is no point, infinity, or outside its subgroup
    error BadPoint();
    /// @notice The key service did not sign this
    error BadSignature();
    /// @notice The chain has no such precompile, or another one
    error PrecompileFailed(address precompile);

    /// @param factory_ who will ask; where it will stand follows from its deployer's nonce
    /// @param key the service's public key: a point of G2 as EIP-2537 has it, 256 bytes
    /// @param lineages which trackers are accepted, for ever
    constructor(address factory_, bytes memory key, bytes32[] memory lineages) {
        if (key.length != G2_LENGTH) revert BadLength(key.length);
        if (lineages.length == 0) revert BadLength(0);
        if (keccak256(key) == keccak256(new bytes(G2_LENGTH))) revert BadPoint();
        // Once the point, to have it checked for being in the subgroup.
        (bool ended, bytes memory once) = G2MSM.staticcall(abi.encodePacked(key, uint256(1)));
        if (!ended) revert BadPoint();
        if (keccak256(once) != keccak256(key)) revert PrecompileFailed(G2MSM);
        factory = factory_;
        (_key0, _key1, _key2, _key3, _key4, _key5, _key6, _key7) = abi.decode(
            key, (bytes32, bytes32, bytes32, bytes32, bytes32, bytes32, bytes32, bytes32)
        );
        for (uint256 i = 0; i < lineages.length; i++) isLineage[lineages[i]] = true;
    }

    /// @notice Whether the key service vouches for this owner
    /// @dev Reverts, saying why, or returns true. Points that the precompiles refuse cost all gas
    /// of the call but a 64th.
    /// @param owner who will own the contract
    /// @param attestation 216 bytes: lineage[32] ‖ measurement[48] ‖ u64 expiry, in seconds of unix
    /// time, refused from that second on ‖ the signature, a point of G1 as EIP-2537 has it[128]
    /// @return accepted true
    function verify(address owner, address, bytes calldata attestation)
        external
        view
        returns (bool accepted)
    {
        if (msg.sender != factory) revert NotTheFactory(msg.sender);
        if (attestation.length != CLAIMS_LENGTH + G1_LENGTH) revert BadLength(attestation.length);
        bytes calldata claims = attestation[:CLAIMS_LENGTH];
        bytes calldata signature = attestation[CLAIMS_LENGTH:];
        bytes32 lineage = bytes32(claims[:32]);
        if (!isLineage[lineage]) revert UnknownLineage(lineage);
        uint64 expiry = uint64(bytes8(claims[80:]));
        if (block.timestamp >= expiry) revert Expired(expiry);
        if (keccak256(signature) == keccak256(new bytes(G1_LENGTH))) revert BadPoint();
        // Chain ids have 64 bits at most (EIP-2294).
        bytes memory message =
            abi.encodePacked(uint64(block.chainid), address(this), owner, claims);
        return _isSigned(message, signature);
    }

    /// @notice The service's public key as EIP-2537 has it
    function publicKey() public view returns (bytes memory) {
        return abi.encodePacked(_key0, _key1, _key2, _key3, _key4, _key5, _key6, _key7);
    }

    /// @dev e(H(message), key) = e(signature, generator). The pairing looks whether the signature is
    /// in its subgroup.
    function _isSigned(bytes memory message, bytes calldata signature)
        private
        view
        returns (bool)
    {
        (bool ended, bytes memory one) = PAIRING.staticcall(
            abi.encodePacked(_hashToCurve(message), publicKey(), signature, NEGATED_GENERATOR)
        );
        if (!ended) revert BadPoint();
        if (one.length != 32) revert PrecompileFailed(PAIRING);
        if (bytes32(one) != bytes32(uint256(1))) revert BadSignature();
        return true;
    }

    /// @dev hash_to_curve of BLS12381G1_XMD:SHA-256_SSWU_RO_ (RFC 9380, sections 3, 5.2, 5.3.1):
    /// 128 bytes of SHA-256, as two field elements, as two points, added. The map clears the
    /// cofactor.
    function _hashToCurve(bytes memory message) private view returns (bytes memory) {
        bytes memory suffix = abi.encodePacked(DOMAIN, uint8(bytes(DOMAIN).length));
        bytes32 all = sha256(
            abi.encodePacked(new bytes(64), message, uint16(4 * 32), uint8(0), suffix)
        );
        bytes32 first = sha256(abi.encodePacked(all, uint8(1), suffix));
        bytes32 second = sha256(abi.encodePacked(all ^ first, uint8(2), suffix));
        bytes32 third = sha256(abi.encodePacked(all ^ second, uint8(3), suffix));
        bytes32 fourth = sha256(abi.encodePacked(all ^ third, uint8(4), suffix));
        return _call(
            G1ADD,
            abi.encodePacked(_mapToCurve(first, second), _mapToCurve(third, fourth)),
            G1_LENGTH
        );
    }

    /// @dev A number of 64 bytes, modulo the field's order, and the point that it is mapped to.
    function _mapToCurve(bytes32 high, bytes32 low) private view returns (bytes memory) {
        bytes memory element = _call(
            MODEXP,
            abi.encodePacked(
                uint256(64), uint256(1), uint256(64), high, low, uint8(1), MODULUS
            ),
            64
        );
        return _call(MAP_FP_TO_G1, element, G1_LENGTH);
    }

    /// @dev What a precompile answers, if it has that length; an address without code answers
    /// nothing and says yes.
    function _call(address precompile, bytes memory input, uint256 length)
        private
        view
        returns (bytes memory)
    {
        (bool ended, bytes memory output) = precompile.staticcall(input);
        if (!ended || output.length != length) revert PrecompileFailed(precompile);
        return output;
    }
}
