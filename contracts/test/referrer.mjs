// A predecessor's users: seen through the new contract, adopted once, one hop and never two.
import assert from 'node:assert/strict';
import { test } from './lib/tests.mjs';
import {
    adoptRows,
    hex,
    makeUsers,
    nextHead,
    nextRegistrations,
    NOBODY,
    pack,
    registerRows,
    User,
    writeRows,
    ZERO,
} from './lib/users.mjs';

const users = makeUsers(3, 'referrer');
const [alice, bob, carol] = users;
const NOT_THERE = [0n, ZERO];
// Ways of a hostile contract, in the order of Hostile.sol.
const WAYS = [
    'No',
    'Yes',
    'Three',
    'Nothing',
    'TooMuch',
    'Revert',
    'RevertWithMegabyte',
    'ReturnMegabyte',
    'BurnAllGas',
];
// What an account of two words can be answered with: also these are no harm.
const ANSWERS = ['No', 'Yes', 'Three'];

const seen = async (contract, user) => [...(await contract.view('accountOf', user.id))];
const own = async (contract, user) => [...(await contract.view('ownAccountOf', user.id))];

/** grandparent has alice; parent has bob; child has nobody. */
async function family(f) {
    const grandparent = await f.create();
    await grandparent.send('register', 1, 5, registerRows([alice]));
    const parent = await f.create({ referrer: grandparent.address });
    await parent.send('register', 1, 5, registerRows([bob]));
    const child = await f.create({ referrer: parent.address, from: f.other });
    return { grandparent, parent, child };
}

test('a user of the referrer is seen through the new contract, with later values too', async f => {
    const { parent, child } = await family(f);
    assert.deepEqual(await seen(child, bob), [bob.word, hex(bob.keyHash)]);
    assert.deepEqual(await own(child, bob), NOT_THERE);
    await parent.send('write', 2, 5, writeRows([[bob, 99n]]));
    assert.deepEqual(await seen(child, bob), [99n, hex(bob.keyHash)]);
});

test('the referrer of a referrer is never asked', async f => {
    const { parent, child } = await family(f);
    assert.deepEqual(await seen(parent, alice), [alice.word, hex(alice.keyHash)]);
    assert.deepEqual(await seen(child, alice), NOT_THERE);
    assert.deepEqual(await child.refused('adopt', 1, 5, adoptRows([alice])), {
        name: 'UnknownUser',
        args: [alice.id],
    });
    await parent.send('adopt', 2, 5, adoptRows([alice]));
    assert.deepEqual(await seen(child, alice), [alice.word, hex(alice.keyHash)]);
});

test('adoption copies word and key, counts, and joins the chain of registrations', async f => {
    const old = await f.create();
    await old.send('register', 1, 5, registerRows(users));
    const value = pack({ up: 1n << 100n, down: 3n, generation: 2n ** 32n - 1n });
    await old.send(
        'write',
        2,
        5,
        writeRows([
            [alice, value],
            [carol, 0n],
        ]),
    );
    const fresh = await f.create({ referrer: old.address, from: f.other });
    const batch = adoptRows([carol, alice]);
    const { events } = await fresh.send('adopt', 1, 6, batch);
    assert.deepEqual(
        events.map(e => [e.name, ...e.args]),
        [
            ['Registered', carol.id, BigInt(carol.number), hex(carol.key)],
            ['Registered', alice.id, BigInt(alice.number), hex(alice.key)],
            ['Written', 1n, 6n, 2n, nextHead(ZERO, batch)],
        ],
    );
    assert.deepEqual(await own(fresh, alice), [value, hex(alice.keyHash)]);
    assert.deepEqual(await own(fresh, carol), [0n, hex(carol.keyHash)]);
    assert.equal(await fresh.view('userCount'), 2n);
    assert.equal(await fresh.view('registrations'), [carol, alice].reduce(nextRegistrations, ZERO));
});

test('what is adopted goes its own way, also when its value is zero there', async f => {
    const { parent, child } = await family(f);
    await child.send('adopt', 1, 5, adoptRows([bob]));
    await parent.send('write', 2, 5, writeRows([[bob, 77n]]));
    assert.deepEqual(await seen(child, bob), [bob.word, hex(bob.keyHash)]);
    await child.send('write', 2, 5, writeRows([[bob, 0n]]));
    assert.deepEqual(await seen(child, bob), [0n, hex(bob.keyHash)]);
});

test('nobody is adopted twice, nor after a registration, and nobody registered after an adoption', async f => {
    const { parent, child } = await family(f);
    await parent.send('register', 2, 5, registerRows([carol]));
    await child.send('adopt', 1, 5, adoptRows([bob]));
    const exists = user => ({ name: 'UserExists', args: [user.id] });
    assert.deepEqual(await child.refused('adopt', 2, 5, adoptRows([bob])), exists(bob));
    assert.deepEqual(await child.refused('adopt', 2, 5, adoptRows([carol, carol])), exists(carol));
    assert.deepEqual(await child.refused('register', 2, 5, registerRows([bob])), exists(bob));
    await child.send('register', 2, 5, registerRows([carol]));
    assert.deepEqual(await child.refused('adopt', 3, 5, adoptRows([carol])), exists(carol));
});

test('a user of the referrer is not written before it is adopted', async f => {
    const { child } = await family(f);
    assert.deepEqual(await child.refused('write', 1, 5, writeRows([[bob, 1n]])), {
        name: 'UnknownUser',
        args: [bob.id],
    });
});

test('a key that the referrer does not know is not adopted', async f => {
    const { child } = await family(f);
    const wrong = new User('referrer-1', 1);
    wrong.key = Buffer.from(bob.key);
    wrong.key[95] ^= 1;
    assert.deepEqual(await child.refused('adopt', 1, 5, adoptRows([wrong])), {
        name: 'KeyMismatch',
        args: [bob.id],
    });
});

test('adoption is bound by number, hour, length and the count of users like every batch', async f => {
    const { child } = await family(f);
    const batch = adoptRows([bob]);
    assert.deepEqual(await child.refused('adopt', 2, 5, batch), {
        name: 'WrongSequence',
        args: [0n],
    });
    for (const cut of [batch.slice(0, -2), batch + '00', '0x']) {
        assert.equal((await child.refused('adopt', 1, 5, cut)).name, 'BadLength');
    }
    await child.send('adopt', 1, 5, batch);
    assert.deepEqual(await child.refused('adopt', 2, 4, batch), { name: 'EpochFell', args: [5n] });
});

test('without a referrer there is nobody to adopt or to see', async f => {
    const orphan = await f.create();
    assert.equal((await orphan.refused('adopt', 1, 5, adoptRows([bob]))).name, 'NoReferrer');
    assert.deepEqual(await seen(orphan, bob), NOT_THERE);
});

test('a sealed referrer still shows its users and gives them away', async f => {
    const { parent, child } = await family(f);
    await parent.send('seal', child.address);
    assert.deepEqual(await seen(child, bob), [bob.word, hex(bob.keyHash)]);
    await child.send('adopt', 1, 5, adoptRows([bob]));
});

test('a referrer that reverts, burns gas, or answers too little or too much harms nothing', async f => {
    for (const [way, name] of WAYS.entries()) {
        if (ANSWERS.includes(name)) continue;
        const hostile = await f.chain.deploy(f.owner, f.code.HostileReferrer, [way]);
        const victim = await f.chain.deploy(f.owner, f.code.Reputation, [f.owner, hostile.address]);
        const why = { name: 'ReferrerFailed', args: [hostile.address] };
        const plain = answer => ({
            name: answer.name,
            args: answer.args.map(a => a.toLowerCase()),
        });
        assert.deepEqual(plain(await victim.refusedView('accountOf', bob.id)), why, name);
        assert.deepEqual(plain(await victim.refused('adopt', 1, 5, adoptRows([bob]))), why, name);
        // It is asked for its own users only: the contract's work goes on without it.
        await victim.send('register', 1, 5, registerRows([bob]));
        assert.deepEqual(await seen(victim, bob), [bob.word, hex(bob.keyHash)]);
        const { gas } = await victim.send('write', 2, 5, writeRows([[bob, 1n]]));
        assert.ok(gas < 60_000, `${name}: ${gas} gas`);
    }
});

test('a referrer without code, or one that answers zeros, has no users', async f => {
    const empty = await f.chain.deploy(f.owner, f.code.Reputation, [
        f.owner,
        '0x' + 'ab'.repeat(20),
    ]);
    assert.equal((await empty.refusedView('accountOf', bob.id)).name, 'ReferrerFailed');
    const silent = await f.chain.deploy(f.owner, f.code.HostileReferrer, [WAYS.indexOf('No')]);
    const lonely = await f.chain.deploy(f.owner, f.code.Reputation, [f.owner, silent.address]);
    assert.deepEqual(await seen(lonely, bob), NOT_THERE);
    assert.equal((await lonely.refused('adopt', 1, 5, adoptRows([bob]))).name, 'UnknownUser');
});

test('a referrer that owns the contract cannot write to it while it is asked', async f => {
    const both = await f.chain.deploy(f.owner, f.code.ReentrantReferrer, [hex(bob.keyHash)]);
    const reputation = await f.chain.deploy(f.owner, f.code.Reputation, [
        both.address,
        both.address,
    ]);
    await both.send('adopt', reputation.address, adoptRows([bob]));
    assert.equal(await reputation.view('isSealed'), false);
    assert.equal(await reputation.view('successor'), NOBODY);
    assert.deepEqual(await own(reputation, bob), [7n, hex(bob.keyHash)], 'its seal was refused');
});
