// Root mode: one word for all accounts, and a contract that never changes its mode.
import assert from 'node:assert/strict';
import { test } from './lib/tests.mjs';
import {
    adoptRows,
    hex,
    makeUsers,
    nextHead,
    registerRows,
    sha256,
    writeRows,
    ZERO,
} from './lib/users.mjs';

const users = makeUsers(2, 'root');
const ROOT = hex(sha256(Buffer.from('root')));

test('a root replaces the one before and the data is in the chain of heads', async f => {
    const reputation = await f.create();
    let head = ZERO;
    const batches = [
        [1, 10, 5, ROOT, '0x010203'],
        [2, 10, 2n ** 32n - 1n, '0x' + 'ff'.repeat(32), '0x'],
        [3, 11, 0, ZERO, '0x' + '00'.repeat(700)],
    ];
    for (const [sequence, epoch, count, root, data] of batches) {
        const { events } = await reputation.send('writeRoot', sequence, epoch, count, root, data);
        head = nextHead(head, data);
        assert.deepEqual(
            events.map(e => [e.name, ...e.args]),
            [
                ['RootWritten', BigInt(sequence), root],
                ['Written', BigInt(sequence), BigInt(epoch), BigInt(count), head],
            ],
        );
        const state = await Promise.all(
            ['root', 'userCount', 'sequence', 'epoch', 'head', 'mode'].map(v => reputation.view(v)),
        );
        assert.deepEqual(state, [root, BigInt(count), BigInt(sequence), BigInt(epoch), head, 2n]);
    }
    assert.equal((await reputation.view('owner')).toLowerCase(), f.owner);
    assert.equal(await reputation.view('isSealed'), false);
});

test('roots are bound by number and hour like every batch', async f => {
    const reputation = await f.create();
    assert.deepEqual(await reputation.refused('writeRoot', 2, 1, 1, ROOT, '0x'), {
        name: 'WrongSequence',
        args: [0n],
    });
    await reputation.send('writeRoot', 1, 7, 1, ROOT, '0x');
    assert.deepEqual(await reputation.refused('writeRoot', 1, 7, 1, ROOT, '0x'), {
        name: 'WrongSequence',
        args: [1n],
    });
    assert.deepEqual(await reputation.refused('writeRoot', 2, 6, 1, ROOT, '0x'), {
        name: 'EpochFell',
        args: [7n],
    });
});

test('the first batch fixes the mode: slots take no root, and a root no slots', async f => {
    const old = await f.create();
    await old.send('register', 1, 1, registerRows(users));
    assert.deepEqual(await old.refused('writeRoot', 2, 1, 1, ROOT, '0x'), {
        name: 'WrongMode',
        args: [1n],
    });
    const reputation = await f.create({ referrer: old.address });
    await reputation.send('writeRoot', 1, 1, 1, ROOT, '0x');
    const others = [
        ['register', registerRows(users)],
        ['write', writeRows([[users[0], 1n]])],
        ['adopt', adoptRows(users)],
    ];
    for (const [name, batch] of others) {
        assert.deepEqual(await reputation.refused(name, 2, 1, batch), {
            name: 'WrongMode',
            args: [2n],
        });
    }
});

test('a batch that is refused does not fix the mode', async f => {
    const reputation = await f.create();
    await reputation.refused('write', 1, 1, writeRows([[users[0], 1n]]));
    assert.equal(await reputation.view('mode'), 0n);
    await reputation.send('writeRoot', 1, 1, 1, ROOT, '0x');
});

test("in root mode no account is shown from the slots, not even the referrer's", async f => {
    const old = await f.create();
    await old.send('register', 1, 1, registerRows(users));
    const reputation = await f.create({ referrer: old.address });
    assert.equal((await reputation.view('accountOf', users[0].id)).word, users[0].word);
    await reputation.send('writeRoot', 1, 1, 1, ROOT, '0x');
    assert.deepEqual(await reputation.refusedView('accountOf', users[0].id), {
        name: 'WrongMode',
        args: [2n],
    });
    assert.deepEqual([...(await reputation.view('ownAccountOf', users[0].id))], [0n, ZERO]);
});

test('a referrer in root mode has no users in slots to adopt', async f => {
    const old = await f.create();
    await old.send('writeRoot', 1, 1, 2, ROOT, '0x');
    const reputation = await f.create({ referrer: old.address });
    assert.equal((await reputation.refused('adopt', 1, 1, adoptRows(users))).name, 'UnknownUser');
    await reputation.send('register', 1, 1, registerRows(users));
});
