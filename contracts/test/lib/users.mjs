// Users as the contracts see them, and the rows of batches. Everything comes from a seeded
// generator.
import { createHash } from 'node:crypto';
import { keccak256 } from 'ethers';

export const sha256 = bytes => createHash('sha256').update(bytes).digest();
export const hex = bytes => '0x' + Buffer.from(bytes).toString('hex');
export const word32 = value => Buffer.from(BigInt(value).toString(16).padStart(64, '0'), 'hex');
const u32 = value => word32(value).subarray(28);

/** Numbers from SHA-256 of a seed and a counter; equal seeds give equal numbers everywhere. */
export class Random {
    constructor(seed) {
        this.seed = seed;
        this.count = 0;
    }

    bytes(length) {
        const blocks = [];
        for (let had = 0; had < length; had += 32)
            blocks.push(sha256(Buffer.from(`${this.seed}/${this.count++}`)));
        return Buffer.concat(blocks).subarray(0, length);
    }

    bits(count) {
        return BigInt.asUintN(count, BigInt(hex(this.bytes(Math.ceil(count / 8)))));
    }

    below(limit) {
        return Number(this.bits(48) % BigInt(limit));
    }

    pick(list) {
        return list[this.below(list.length)];
    }
}

/** up, down in bytes, generation of the passkey, as the contract packs them. */
export function pack({ up = 0n, down = 0n, generation = 0n }) {
    return (BigInt(generation) << 224n) | (BigInt(down) << 112n) | BigInt(up);
}

export class User {
    constructor(name, number, random = new Random(name)) {
        this.uidHash = sha256(Buffer.from(`pbts/uid/1${name}`));
        this.id = hex(this.uidHash);
        this.number = number;
        this.key = random.bytes(96);
        this.keyHash = sha256(this.key);
        this.word = pack({ up: 1n << 30n });
    }
}

export function makeUsers(count, prefix = 'user') {
    return Array.from({ length: count }, (_, number) => new User(`${prefix}-${number}`, number));
}

const rows = (users, row) => hex(Buffer.concat(users.map(row)));
export const registerRows = users =>
    rows(users, u => Buffer.concat([u.uidHash, word32(u.word), u.key, u32(u.number)]));
export const adoptRows = users =>
    rows(users, u => Buffer.concat([u.uidHash, u.key, u32(u.number)]));
/** Rows of write(): pairs of a user and its new word. */
export const writeRows = pairs =>
    rows(pairs, ([user, word]) => Buffer.concat([user.uidHash, word32(word)]));

/** The next link of the chains that the contract keeps; see docs/ethereum.md. */
export const nextHead = (head, batch) =>
    keccak256(Buffer.concat([bytes(head), bytes(keccak256(batch))]));
export const nextRegistrations = (chain, user) =>
    keccak256(Buffer.concat([bytes(chain), user.uidHash, user.keyHash, u32(user.number)]));
export const bytes = text => Buffer.from(text.slice(2), 'hex');

/** The slot of a mapping's entry, from the rules of Solidity. */
export const entrySlot = (key, mapping) => BigInt(keccak256(Buffer.concat([key, word32(mapping)])));
export const ZERO = '0x' + '0'.repeat(64);
export const NOBODY = '0x' + '0'.repeat(40);
