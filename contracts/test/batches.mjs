// Registration and writing of accounts: what batches do, and what they are refused for.
import assert from 'node:assert/strict';
import { AbiCoder } from 'ethers';
import { test } from './lib/tests.mjs';
import {
    bytes,
    hex,
    makeUsers,
    nextHead,
    nextRegistrations,
    pack,
    registerRows,
    User,
    writeRows,
    ZERO,
} from './lib/users.mjs';

const users = makeUsers(4, 'batch');
const [alice, bob, carol, dave] = users;
const ALL_ONES = (1n << 256n) - 1n;
const U32_MAX = 2n ** 32n - 1n;
const U48_MAX = 2n ** 48n - 1n;

async function withUsers(f, some = [alice, bob]) {
    const reputation = await f.create();
    await reputation.send('register', 1, 10, registerRows(some));
    return reputation;
}

const account = async (reputation, user) => [...(await reputation.view('ownAccountOf', user.id))];

test('registration stores word and key hash, counts, and says key and number in an event each', async f => {
    const reputation = await f.create();
    const batch = registerRows(users);
    const { events } = await reputation.send('register', 1, 10, batch);
    const head = nextHead(ZERO, batch);
    const said = events.map(e => [e.name, ...e.args]);
    assert.deepEqual(said, [
        ...users.map(u => ['Registered', u.id, BigInt(u.number), hex(u.key)]),
        ['Written', 1n, 10n, 4n, head],
    ]);
    for (const user of users) {
        assert.deepEqual(await account(reputation, user), [user.word, hex(user.keyHash)]);
    }
    assert.equal(await reputation.view('userCount'), 4n);
    assert.equal(await reputation.view('sequence'), 1n);
    assert.equal(await reputation.view('epoch'), 10n);
    assert.equal(await reputation.view('mode'), 1n);
    assert.equal(await reputation.view('head'), head);
    assert.equal(await reputation.view('registrations'), users.reduce(nextRegistrations, ZERO));
});

test('a write brings accounts to the given values, up, down and back to zero', async f => {
    const reputation = await withUsers(f);
    const head = await reputation.view('head');
    const registrations = await reputation.view('registrations');
    const values = [pack({ up: 5n, down: 6n, generation: 7n }), 0n, ALL_ONES, 1n];
    let sequence = 1;
    let last = head;
    for (const value of values) {
        const batch = writeRows([[bob, value]]);
        const { events } = await reputation.send('write', ++sequence, 10, batch);
        last = nextHead(last, batch);
        assert.deepEqual(
            events.map(e => [e.name, ...e.args]),
            [['Written', BigInt(sequence), 10n, 1n, last]],
        );
        assert.deepEqual(await account(reputation, bob), [value, hex(bob.keyHash)]);
        assert.equal(
            (await account(reputation, alice))[0],
            alice.word,
            'the neighbour is as before',
        );
    }
    assert.equal(await reputation.view('registrations'), registrations, 'nobody was registered');
    assert.equal(await reputation.view('userCount'), 2n);
});

test('of two rows for one user in a batch the later stands', async f => {
    const reputation = await withUsers(f);
    await reputation.send(
        'write',
        2,
        10,
        writeRows([
            [alice, 1n],
            [bob, 2n],
            [alice, 3n],
        ]),
    );
    assert.equal((await account(reputation, alice))[0], 3n);
    await reputation.send(
        'write',
        3,
        10,
        writeRows([
            [alice, 0n],
            [alice, 9n],
        ]),
    );
    assert.equal((await account(reputation, alice))[0], 9n);
});

test('a user who was registered with a word of zero exists and is written', async f => {
    const nobody = new User('batch-zero', 9);
    nobody.word = 0n;
    const reputation = await withUsers(f, [nobody, alice]);
    assert.deepEqual(await account(reputation, nobody), [0n, hex(nobody.keyHash)]);
    assert.equal(
        (await reputation.refused('register', 2, 10, registerRows([nobody]))).name,
        'UserExists',
    );
    // Looking its key up must not disturb the rows after it.
    await reputation.send(
        'write',
        2,
        10,
        writeRows([
            [nobody, 1n],
            [alice, 2n],
        ]),
    );
    assert.deepEqual(
        [(await account(reputation, nobody))[0], (await account(reputation, alice))[0]],
        [1n, 2n],
    );
});

test('a batch with one unknown user is refused as a whole and names the first one', async f => {
    const reputation = await withUsers(f);
    for (const rows of [
        [[carol, 1n]],
        [
            [alice, 1n],
            [carol, 2n],
            [dave, 3n],
        ],
        [
            [alice, 1n],
            [bob, 1n],
            [carol, 0n],
        ],
    ]) {
        const why = await reputation.refused('write', 2, 10, writeRows(rows));
        assert.deepEqual(why, { name: 'UnknownUser', args: [carol.id] });
    }
});

test('nobody is registered twice, neither later nor within a batch', async f => {
    const reputation = await withUsers(f);
    const again = new User('batch-1', 77);
    again.key = carol.key;
    for (const rows of [[bob], [carol, bob], [carol, dave, carol], [again]]) {
        const why = await reputation.refused('register', 2, 10, registerRows(rows));
        assert.deepEqual(why, { name: 'UserExists', args: [rows.at(-1).id] });
    }
});

test('a batch that is sent again is refused, so that nothing counts twice', async f => {
    const reputation = await withUsers(f);
    const batch = writeRows([[alice, 5n]]);
    await reputation.send('write', 2, 11, batch);
    assert.deepEqual(await reputation.refused('write', 2, 11, batch), {
        name: 'WrongSequence',
        args: [2n],
    });
    assert.deepEqual(await reputation.refused('register', 1, 11, registerRows([carol])), {
        name: 'WrongSequence',
        args: [2n],
    });
});

test('a batch whose number is not the next one is refused', async f => {
    const reputation = await withUsers(f);
    for (const sequence of [0, 1, 3, U48_MAX]) {
        const why = await reputation.refused('write', sequence, 10, writeRows([[alice, 5n]]));
        assert.deepEqual(why, { name: 'WrongSequence', args: [1n] });
    }
    const empty = await f.create();
    assert.deepEqual(await empty.refused('register', 0, 1, registerRows([alice])), {
        name: 'WrongSequence',
        args: [0n],
    });
});

test('the epoch may stand or rise and never falls', async f => {
    const reputation = await withUsers(f);
    assert.deepEqual(await reputation.refused('write', 2, 9, writeRows([[alice, 5n]])), {
        name: 'EpochFell',
        args: [10n],
    });
    await reputation.send('write', 2, 10, writeRows([[alice, 5n]]));
    await reputation.send('write', 3, U48_MAX, writeRows([[alice, 6n]]));
    assert.deepEqual(await reputation.refused('write', 4, U48_MAX - 1n, writeRows([[alice, 7n]])), {
        name: 'EpochFell',
        args: [U48_MAX],
    });
    await reputation.send('write', 4, U48_MAX, writeRows([[alice, 8n]]));
    assert.equal(
        (await reputation.view('owner')).toLowerCase(),
        f.owner,
        'fields beside it are whole',
    );
});

test('the last sequence number is the end, and the fields beside it stay whole', async f => {
    const reputation = await withUsers(f);
    const packed = (10n << 208n) | ((U48_MAX - 1n) << 160n) | BigInt(f.owner);
    await f.chain.rpc(
        'anvil_setStorageAt',
        reputation.address,
        '0x0',
        '0x' + packed.toString(16).padStart(64, '0'),
    );
    await reputation.send('write', U48_MAX, 11, writeRows([[alice, 5n]]));
    assert.equal(await reputation.view('epoch'), 11n);
    assert.equal((await reputation.view('owner')).toLowerCase(), f.owner);
    for (const sequence of [0, 1, U48_MAX]) {
        const why = await reputation.refused('write', sequence, 11, writeRows([[alice, 6n]]));
        assert.deepEqual(why, { name: 'WrongSequence', args: [U48_MAX] });
    }
});

test('there are 2^32 - 1 users at most', async f => {
    const reputation = await withUsers(f);
    const setCount = count => {
        const packed = (1n << 200n) | (count << 160n);
        return f.chain.rpc(
            'anvil_setStorageAt',
            reputation.address,
            '0x1',
            '0x' + packed.toString(16).padStart(64, '0'),
        );
    };
    await setCount(U32_MAX - 1n);
    assert.equal(
        (await reputation.refused('register', 2, 10, registerRows([carol, dave]))).name,
        'TooManyUsers',
    );
    await reputation.send('register', 2, 10, registerRows([carol]));
    assert.equal(await reputation.view('userCount'), U32_MAX);
    assert.equal(await reputation.view('isSealed'), false);
    assert.equal(
        (await reputation.refused('register', 3, 10, registerRows([dave]))).name,
        'TooManyUsers',
    );
    await reputation.send('write', 3, 10, writeRows([[carol, 1n]]));
});

test('rows that are cut short, one byte too long, or missing are refused', async f => {
    const reputation = await withUsers(f);
    const batches = {
        register: registerRows([carol, dave]),
        write: writeRows([
            [alice, 1n],
            [bob, 2n],
        ]),
    };
    for (const [name, batch] of Object.entries(batches)) {
        const whole = bytes(batch);
        const row = whole.length / 2;
        for (const length of [0, 1, 32, row - 1, row + 1, whole.length - 1]) {
            const why = await reputation.refused(name, 2, 10, hex(whole.subarray(0, length)));
            assert.deepEqual(why, { name: 'BadLength', args: [BigInt(length)] });
        }
        const longer = Buffer.concat([whole, Buffer.alloc(1)]);
        assert.equal((await reputation.refused(name, 2, 10, hex(longer))).name, 'BadLength');
    }
});

test('calldata that lies about its own length or numbers is refused', async f => {
    const reputation = await withUsers(f);
    const good = reputation.iface.encodeFunctionData('write', [2, 10, writeRows([[alice, 1n]])]);
    const args = [2n, 10n, 0x60n, 64n];
    const lies = [
        [0, 1n << 48n],
        [1, 1n << 48n],
        [2, 1n << 64n],
        [2, 0x61n],
        [2, ALL_ONES],
        [3, 128n],
        [3, 1n << 64n],
        [3, ALL_ONES - 63n],
    ];
    for (const [index, lie] of lies) {
        const words = args.map((value, i) => (i === index ? lie : value));
        const head = AbiCoder.defaultAbiCoder().encode(Array(4).fill('uint256'), words).slice(2);
        await reputation.refusedData(good.slice(0, 10) + head + good.slice(10 + 4 * 64));
    }
    await reputation.refusedData(good.slice(0, -2));
});
