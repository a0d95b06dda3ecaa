// The frozen layout: what the compiler says, what the papers say, and where values really are.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from './lib/tests.mjs';
import { entrySlot, hex, makeUsers, pack, registerRows, writeRows } from './lib/users.mjs';

// label, slot, offset in bytes from the low end, type: as in docs/ethereum.md and
// src/eth/reputation.h
const FROZEN = [
    ['owner', 0, 0, 'address'],
    ['sequence', 0, 20, 'uint48'],
    ['epoch', 0, 26, 'uint48'],
    ['referrer', 1, 0, 'address'],
    ['userCount', 1, 20, 'uint32'],
    ['isSealed', 1, 24, 'bool'],
    ['mode', 1, 25, 'uint8'],
    ['successor', 2, 0, 'address'],
    ['head', 3, 0, 'bytes32'],
    ['registrations', 4, 0, 'bytes32'],
    ['root', 5, 0, 'bytes32'],
    ['words', 6, 0, 'mapping(bytes32 => uint256)'],
    ['keyHashes', 7, 0, 'mapping(bytes32 => bytes32)'],
];
const SUCCESSOR = '0x' + '5e'.repeat(20);
const file = path => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

test('the compiler lays the storage out as it was frozen', ({ code }) => {
    const found = code.Reputation.storageLayout.map(v => [v.label, v.slot, v.offset, v.type]);
    assert.deepEqual(found, FROZEN);
    assert.equal(code.ReputationFactory.storageLayout[0].label, 'isReputation');
    assert.equal(code.ReputationFactory.storageLayout[0].slot, 0);
});

test('the table in docs/ethereum.md is the frozen layout', () => {
    const rows = [
        ...file('docs/ethereum.md').matchAll(/^\| (\d) \| (\d+) \| `(\w+)` \| `([^`]+)` \|/gm),
    ];
    assert.deepEqual(
        rows.map(([, slot, offset, label, type]) => [label, Number(slot), Number(offset), type]),
        FROZEN,
    );
});

test('the slots in src/eth/reputation.h are the frozen ones', () => {
    const header = file('src/eth/reputation.h');
    const names = {
        OWNER: 'owner',
        REFERRER: 'referrer',
        SUCCESSOR: 'successor',
        HEAD: 'head',
        REGISTRATIONS: 'registrations',
        ROOT: 'root',
        WORDS: 'words',
        KEY_HASHES: 'keyHashes',
    };
    for (const [constant, label] of Object.entries(names)) {
        const [, value] = header.match(new RegExp(`PBTS_REPUTATION_SLOT_${constant} = (\\d+)`));
        assert.equal(Number(value), FROZEN.find(v => v[0] === label)[1], constant);
    }
});

test('every value is at its slot and offset, mappings by the hash of key and slot', async f => {
    const old = await f.create();
    const reputation = await f.create({ referrer: old.address });
    const [alice, bob] = makeUsers(2, 'layout');
    await reputation.send('register', 1, 0x112233445566, registerRows([alice, bob]));
    const value = pack({ up: (1n << 112n) - 1n, down: 5n, generation: 0xa1b2c3d4n });
    await reputation.send('write', 2, 0xfedcba987654n, writeRows([[alice, value]]));
    await reputation.send('seal', SUCCESSOR);
    for (const [label, slot, offset, type] of FROZEN.slice(0, 11)) {
        const bytes = { address: 20, uint48: 6, uint32: 4, bool: 1, uint8: 1, bytes32: 32 }[type];
        const stored = BigInt.asUintN(
            bytes * 8,
            (await reputation.slot(slot)) >> BigInt(offset * 8),
        );
        assert.equal(stored, BigInt(await reputation.view(label)), label);
    }
    assert.equal(await reputation.slot(entrySlot(alice.uidHash, 6)), value);
    assert.equal(
        await reputation.slot(entrySlot(alice.uidHash, 6)),
        BigInt('0xa1b2c3d4' + '5'.padStart(28, '0') + 'f'.repeat(28)),
    );
    assert.equal(await reputation.slot(entrySlot(bob.uidHash, 6)), bob.word);
    assert.equal(await reputation.slot(entrySlot(bob.uidHash, 7)), BigInt(hex(bob.keyHash)));
    assert.equal(await reputation.view('words', alice.id), value);
    assert.equal(await reputation.view('keyHashes', bob.id), hex(bob.keyHash));
    assert.equal(await reputation.slot(8), 0n);
    assert.equal(
        await f.factory.slot(
            entrySlot(Buffer.from(reputation.address.slice(2).padStart(64, '0'), 'hex'), 0),
        ),
        1n,
    );
});
