// Who may do what, and what sealing does.
import assert from 'node:assert/strict';
import { test } from './lib/tests.mjs';
import { adoptRows, makeUsers, NOBODY, registerRows, writeRows, ZERO } from './lib/users.mjs';

const users = makeUsers(3, 'access');
const SUCCESSOR = '0x' + '5e'.repeat(20);

/** Every function that changes anything, with arguments that would be right for the owner. */
const changes = sequence => [
    ['register', sequence, 9, registerRows(users.slice(1))],
    ['write', sequence, 9, writeRows([[users[0], 5n]])],
    ['adopt', sequence, 9, adoptRows(users.slice(1))],
    ['writeRoot', sequence, 9, 1, ZERO, '0x'],
    ['seal', SUCCESSOR],
];

test('the list of functions that change anything is complete', async ({ create }) => {
    const { iface } = await create();
    const found = iface.fragments
        .filter(f => f.type === 'function' && !f.constant)
        .map(f => f.name);
    assert.deepEqual(
        found.sort(),
        changes(1)
            .map(c => c[0])
            .sort(),
    );
    const paid = iface.fragments.filter(f => f.payable);
    assert.deepEqual(paid, [], 'nothing takes ether');
});

test('nobody but the owner changes anything, neither stranger, nor factory, nor referrer', async f => {
    const referrer = await f.create();
    await referrer.send('register', 1, 1, registerRows(users));
    const reputation = await f.create({ referrer: referrer.address });
    await reputation.send('register', 1, 1, registerRows([users[0]]));
    for (const account of [f.factory.address, referrer.address]) {
        await f.chain.rpc('anvil_impersonateAccount', account);
        await f.chain.rpc('anvil_setBalance', account, '0xde0b6b3a7640000');
    }
    for (const who of [f.stranger, f.factory.address, referrer.address]) {
        for (const change of changes(2)) {
            assert.equal((await reputation.as(who).refused(...change)).name, 'NotOwner', change[0]);
        }
    }
});

test('an owner of one contract has no say in another', async f => {
    const mine = await f.create();
    const theirs = await f.create({ from: f.stranger });
    assert.equal((await theirs.as(f.owner).refused('seal', NOBODY)).name, 'NotOwner');
    assert.equal((await mine.as(f.stranger).refused('seal', NOBODY)).name, 'NotOwner');
});

test('ether is refused, and so are unknown functions and calls without one', async f => {
    const reputation = await f.create();
    const call = { from: f.owner, to: reputation.address, gas: '0x100000' };
    for (const data of ['0x', '0x12345678']) {
        assert.equal(await f.chain.revertOf({ ...call, data }), '0x');
    }
    const data = reputation.iface.encodeFunctionData('seal', [NOBODY]);
    assert.equal(await f.chain.revertOf({ ...call, data, value: '0x1' }), '0x');
});

test('sealing names the successor and stops every change for good', async f => {
    const referrer = await f.create();
    const reputation = await f.create({ referrer: referrer.address });
    await reputation.send('register', 1, 1, registerRows([users[0]]));
    const { events } = await reputation.send('seal', SUCCESSOR);
    assert.deepEqual(
        events.map(e => [e.name, e.args[0].toLowerCase()]),
        [['Sealed', SUCCESSOR]],
    );
    assert.equal(await reputation.view('isSealed'), true);
    assert.equal((await reputation.view('successor')).toLowerCase(), SUCCESSOR);
    for (const change of changes(2)) {
        assert.equal((await reputation.refused(...change)).name, 'AlreadySealed', change[0]);
        assert.equal(
            (await reputation.as(f.stranger).refused(...change)).name,
            'NotOwner',
            change[0],
        );
    }
    assert.equal((await reputation.view('accountOf', users[0].id)).word, users[0].word);
});

test('a contract may be sealed before its first batch and without a successor', async f => {
    const reputation = await f.create();
    await reputation.send('seal', NOBODY);
    assert.equal(
        (await reputation.refused('register', 1, 1, registerRows(users))).name,
        'AlreadySealed',
    );
});
