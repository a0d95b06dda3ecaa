// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title The accounts of one tracker
/// @notice SC.Read and SC.Write of the paper on Ethereum. The owner, a tracker, brings accounts to
/// absolute values in numbered batches. Reads that decide anything use storage proofs, so the
/// layout is frozen: docs/ethereum.md, section Contracts; a test compares it with the compiler's.
/// @dev A batch has the number `sequence` = stored + 1 or is refused, so that one that is sent
/// twice counts once. All changes of a batch happen, or none. No function sends or takes ether,
/// and the only foreign code that is called, the referrer, is called with STATICCALL. There is no
/// upgrade, no second owner and no way to undo a seal. The code has no immutables:
/// every Reputation has the same code hash.
///
/// A user exists when its key hash is not zero. Users of the referrer are seen here until they are
/// adopted, but the referrer's referrer is never asked: the paper allows one hop.
contract Reputation {
    // The storage layout. Frozen: add nothing, reorder nothing.

    /// @notice Who alone may change anything here
    address public owner; // slot 0, low 160 bits
    /// @notice Number of the last batch; 0 before the first
    uint48 public sequence;
    /// @notice Hour of the last batch, unix seconds / 3600; never falls
    uint48 public epoch;

    /// @notice The predecessor whose own users are seen here, or zero
    address public referrer; // slot 1, low 160 bits
    /// @notice How many users were registered or adopted here; in root mode, what the last batch
    /// said
    uint32 public userCount;
    /// @notice Whether writing has ended for good
    bool public isSealed;
    /// @notice 0 until the first batch, which sets it for ever: 1 a slot per account, 2 a root for
    /// all
    uint8 public mode;

    /// @notice Where the tracker went when it sealed this contract; zero: nowhere
    address public successor; // slot 2

    /// @notice keccak256(head before ‖ keccak256(the bytes of the batch)): tells whose batch was
    /// last
    bytes32 public head; // slot 3

    /// @notice keccak256(before ‖ uidHash ‖ SHA-256(key) ‖ u32 userNo) over all registrations: one
    /// proved word vouches for all Registered events
    bytes32 public registrations; // slot 4

    /// @notice Root of all accounts, in root mode
    bytes32 public root; // slot 5

    /// @notice uidHash to u32 passkey generation ‖ u112 bytes down ‖ u112 bytes up, highest bits
    /// first
    mapping(bytes32 uidHash => uint256) public words; // slot 6

    /// @notice uidHash to SHA-256 of the user's public key; zero: no such user
    mapping(bytes32 uidHash => bytes32) public keyHashes; // slot 7

    uint8 private constant MODE_SLOTS = 1;
    uint8 private constant MODE_ROOT = 2;
    uint256 private constant KEY_LENGTH = 96; // a BLS12-381 G2 point, compressed
    uint256 private constant REGISTER_ROW = 32 + 32 + KEY_LENGTH + 4; // uidHash, word, key, userNo
    uint256 private constant WRITE_ROW = 32 + 32; // uidHash, word
    uint256 private constant ADOPT_ROW = 32 + KEY_LENGTH + 4; // uidHash, key, userNo

    /// @notice A user was registered or adopted here
    /// @param uidHash SHA-256("pbts/uid/1" ‖ uid)
    /// @param userNo the number that the tracker gave the user
    /// @param publicKey the user's BLS12-381 key, 96 bytes
    event Registered(bytes32 indexed uidHash, uint32 userNo, bytes publicKey);

    /// @notice A batch of any kind was carried out
    /// @param sequence its number
    /// @param epoch its hour
    /// @param count how many users it registered, adopted or wrote; in root mode, how many there
    /// are
    /// @param head the value of `head` after it
    event Written(uint48 sequence, uint48 epoch, uint32 count, bytes32 head);

    /// @notice The root of all accounts was replaced
    /// @param sequence number of the batch
    /// @param root the new root
    event RootWritten(uint48 sequence, bytes32 root);

    /// @notice Writing has ended for good
    /// @param successor where the tracker goes on, or zero
    event Sealed(address indexed successor);

    /// @notice The sender does not own this contract
    error NotOwner();
    /// @notice The contract is sealed
    error AlreadySealed();
    /// @notice The batch is not number stored + 1: carried out before, or one before it is missing
    error WrongSequence(uint48 stored);
    /// @notice The batch names an earlier hour than the last one
    error EpochFell(uint48 stored);
    /// @notice The contract keeps its accounts the other way
    error WrongMode(uint8 stored);
    /// @notice The batch is empty or not a whole number of rows
    error BadLength(uint256 length);
    /// @notice The user is registered here already
    error UserExists(bytes32 uidHash);
    /// @notice The user is not registered here (write) or not in the referrer's own storage (adopt)
    error UnknownUser(bytes32 uidHash);
    /// @notice The key to adopt is not the one that the referrer knows
    error KeyMismatch(bytes32 uidHash);
    /// @notice There would be more than 2^32 - 1 users
    error TooManyUsers();
    /// @notice There is no referrer to adopt from
    error NoReferrer();
    /// @notice The referrer reverted or did not answer with two words
    error ReferrerFailed(address referrer);

    /// @param owner_ who may write
    /// @param referrer_ predecessor, or zero; the factory has checked that it is a Reputation
    constructor(address owner_, address referrer_) {
        owner = owner_;
        referrer = referrer_;
    }

    /// @notice Enter new users with their first values. Owner only; slot mode
    /// @dev The key is in the event only; its hash is stored.
    /// @param newSequence number of this batch, stored + 1
    /// @param newEpoch hour of this batch, not before the last one's
    /// @param users rows of 164 bytes: uidHash[32] ‖ word[32] ‖ key[96] ‖ u32 userNo
    function register(uint48 newSequence, uint48 newEpoch, bytes calldata users) external {
        uint256 count = _open(newSequence, newEpoch, MODE_SLOTS, users.length, REGISTER_ROW);
        _countUsers(count);
        bytes32 chain = registrations;
        for (uint256 row = 0; row < users.length; row += REGISTER_ROW) {
            bytes32 uidHash = bytes32(users[row:row + 32]);
            uint256 word = uint256(bytes32(users[row + 32:row + 64]));
            bytes calldata key = users[row + 64:row + 64 + KEY_LENGTH];
            uint32 userNo = uint32(bytes4(users[row + 64 + KEY_LENGTH:row + REGISTER_ROW]));
            chain = _enter(chain, uidHash, word, key, sha256(key), userNo);
        }
        registrations = chain;
        _close(newSequence, newEpoch, count, users);
    }

    /// @notice Bring accounts to these values. Owner only; slot mode
    /// @dev Values are absolute, so of two rows for one user the later stands. One unknown user
    /// refuses the whole batch and is named in the error.
    /// @param newSequence number of this batch, stored + 1
    /// @param newEpoch hour of this batch, not before the last one's
    /// @param rows rows of 64 bytes: uidHash[32] ‖ word[32]
    function write(uint48 newSequence, uint48 newEpoch, bytes calldata rows) external {
        uint256 count = _open(newSequence, newEpoch, MODE_SLOTS, rows.length, WRITE_ROW);
        bytes32 unknownUser = UnknownUser.selector;
        // This loop is what running a tracker costs; contracts/GAS.tsv has the figures. Solidity would
        // check for every row what _open has checked for all, and hash in fresh memory.
        assembly ("memory-safe") {
            // 0x00..0x3f is scratch space: uidHash ‖ slot of the mapping, hashed to the entry's
            // slot.
            mstore(0x20, words.slot)
            let end := add(rows.offset, rows.length)
            // There is a row, so the end is tested at the bottom: one jump less for each.
            for { let row := rows.offset } 1 {} {
                mstore(0x00, calldataload(row))
                let slot := keccak256(0x00, 0x40)
                // Only users have a word, so one that is not zero is proof enough; reading it costs
                // nothing, since the store that follows finds the slot warm. A user whose word is
                // zero is looked up by its key hash.
                if iszero(sload(slot)) {
                    mstore(0x20, keyHashes.slot)
                    if iszero(sload(keccak256(0x00, 0x40))) {
                        mstore(0x00, unknownUser)
                        calldatacopy(0x04, row, 0x20)
                        revert(0x00, 0x24)
                    }
                    mstore(0x20, words.slot)
                }
                sstore(slot, calldataload(add(row, 0x20)))
                row := add(row, WRITE_ROW)
                if iszero(lt(row, end)) { break }
            }
        }
        _close(newSequence, newEpoch, count, rows);
    }

    /// @notice Copy users with their values from the referrer's own storage. Owner only; slot mode
    /// @dev Whoever was adopted or registered here before is refused, so nobody's later values are
    /// overwritten by the referrer's old ones.
    /// @param newSequence number of this batch, stored + 1
    /// @param newEpoch hour of this batch, not before the last one's
    /// @param users rows of 132 bytes: uidHash[32] ‖ key[96] ‖ u32 userNo
    function adopt(uint48 newSequence, uint48 newEpoch, bytes calldata users) external {
        uint256 count = _open(newSequence, newEpoch, MODE_SLOTS, users.length, ADOPT_ROW);
        if (referrer == address(0)) revert NoReferrer();
        _countUsers(count);
        bytes32 chain = registrations;
        for (uint256 row = 0; row < users.length; row += ADOPT_ROW) {
            bytes32 uidHash = bytes32(users[row:row + 32]);
            bytes calldata key = users[row + 32:row + 32 + KEY_LENGTH];
            uint32 userNo = uint32(bytes4(users[row + 32 + KEY_LENGTH:row + ADOPT_ROW]));
            (uint256 word, bytes32 keyHash) = _referrerAccount(uidHash);
            if (keyHash == 0) revert UnknownUser(uidHash);
            if (sha256(key) != keyHash) revert KeyMismatch(uidHash);
            chain = _enter(chain, uidHash, word, key, keyHash, userNo);
        }
        registrations = chain;
        _close(newSequence, newEpoch, count, users);
    }

    /// @notice Replace the root of all accounts. Owner only; root mode
    /// @dev Nothing of the data is stored or looked at: whoever replays all of it, from the first
    /// batch on, must come to the same root. A user costs little more than the calldata.
    /// @param newSequence number of this batch, stored + 1
    /// @param newEpoch hour of this batch, not before the last one's
    /// @param newUserCount how many leaves are under the root
    /// @param newRoot RFC 6962 root over SHA-256 of the accounts in order of user number
    /// @param data what changed since the last batch
    function writeRoot(
        uint48 newSequence,
        uint48 newEpoch,
        uint32 newUserCount,
        bytes32 newRoot,
        bytes calldata data
    ) external {
        _open(newSequence, newEpoch, MODE_ROOT, 1, 1);
        userCount = newUserCount;
        root = newRoot;
        emit RootWritten(newSequence, newRoot);
        _close(newSequence, newEpoch, newUserCount, data);
    }

    /// @notice End all writing for good. Owner only
    /// @param newSuccessor where the tracker goes on, or zero
    function seal(address newSuccessor) external {
        _authorise();
        isSealed = true;
        successor = newSuccessor;
        emit Sealed(newSuccessor);
    }

    /// @notice A user's account, here or, when it is not here, in the referrer's own storage
    /// @dev Not for decisions: whoever needs to be sure reads the slots with a proof. Refused in
    /// root mode, where the slots say nothing and the referrer's values are old.
    /// @param uidHash SHA-256("pbts/uid/1" ‖ uid)
    /// @return word generation, down and up, as in `words`
    /// @return keyHash SHA-256 of the key; zero: no such user
    function accountOf(bytes32 uidHash) external view returns (uint256 word, bytes32 keyHash) {
        if (mode == MODE_ROOT) revert WrongMode(MODE_ROOT);
        (word, keyHash) = ownAccountOf(uidHash);
        if (keyHash == 0) (word, keyHash) = _referrerAccount(uidHash);
    }

    /// @notice A user's account in this contract's own storage, which is all that a successor is
    /// shown
    /// @param uidHash SHA-256("pbts/uid/1" ‖ uid)
    /// @return word generation, down and up, as in `words`
    /// @return keyHash SHA-256 of the key; zero: no such user
    function ownAccountOf(bytes32 uidHash) public view returns (uint256 word, bytes32 keyHash) {
        return (words[uidHash], keyHashes[uidHash]);
    }

    /// @dev Refuses everybody but the owner, and everything once sealed.
    function _authorise() private view {
        if (msg.sender != owner) revert NotOwner();
        if (isSealed) revert AlreadySealed();
    }

    /// @dev What every batch must pass before anything changes; fixes the mode.
    /// @param length of the rows in bytes
    /// @param rowLength of one row in bytes
    /// @return count how many rows there are
    function _open(
        uint48 newSequence,
        uint48 newEpoch,
        uint8 wanted,
        uint256 length,
        uint256 rowLength
    ) private returns (uint256 count) {
        _authorise();
        if (uint256(newSequence) != uint256(sequence) + 1) revert WrongSequence(sequence);
        if (newEpoch < epoch) revert EpochFell(epoch);
        if (mode != wanted) {
            if (mode != 0) revert WrongMode(mode);
            mode = wanted;
        }
        if (length == 0 || length % rowLength != 0) revert BadLength(length);
        return length / rowLength;
    }

    /// @dev The last step of every batch: number, hour, the chain of heads, and the event.
    function _close(uint48 newSequence, uint48 newEpoch, uint256 count, bytes calldata batch)
        private
    {
        bytes32 newHead = keccak256(bytes.concat(head, keccak256(batch)));
        sequence = newSequence;
        epoch = newEpoch;
        head = newHead;
        // A batch of 2^32 rows would need more gas than any block has; in root mode it is a uint32.
        emit Written(newSequence, newEpoch, uint32(count), newHead);
    }

    /// @dev Count users that come to be known here.
    function _countUsers(uint256 count) private {
        uint256 total = userCount + count;
        if (total > type(uint32).max) revert TooManyUsers();
        userCount = uint32(total);
    }

    /// @dev Store one new user and give the next link of the chain of registrations.
    function _enter(
        bytes32 chain,
        bytes32 uidHash,
        uint256 word,
        bytes calldata key,
        bytes32 keyHash,
        uint32 userNo
    ) private returns (bytes32) {
        if (keyHashes[uidHash] != 0) revert UserExists(uidHash);
        keyHashes[uidHash] = keyHash;
        // Nobody but a user has a word, so it is zero so far; storing a zero would cost 2,200 gas.
        if (word != 0) words[uidHash] = word;
        emit Registered(uidHash, userNo, key);
        return keccak256(abi.encodePacked(chain, uidHash, keyHash, userNo));
    }

    /// @dev The referrer's own account of a user; zeros when it or the referrer does not exist.
    /// Exactly two words are copied whatever a referrer answers, and it cannot call back with
    /// effect.
    function _referrerAccount(bytes32 uidHash)
        private
        view
        returns (uint256 word, bytes32 keyHash)
    {
        address source = referrer;
        if (source == address(0)) return (0, 0);
        bytes32 ownAccount = this.ownAccountOf.selector;
        bool answered;
        assembly ("memory-safe") {
            mstore(0x00, ownAccount)
            mstore(0x04, uidHash)
            answered := staticcall(gas(), source, 0x00, 0x24, 0x00, 0x40)
            answered := and(answered, eq(returndatasize(), 0x40))
            word := mload(0x00)
            keyHash := mload(0x20)
        }
        if (!answered) revert ReferrerFailed(source);
    }
}
