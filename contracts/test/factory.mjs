// The factory: its register of contracts, and the verifier it asks.
import assert from 'node:assert/strict';
import { AbiCoder, getCreate2Address, keccak256 } from 'ethers';
import { test } from './lib/tests.mjs';
import { hex, makeUsers, NOBODY, registerRows, word32 } from './lib/users.mjs';

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
const encode = (...addresses) =>
    AbiCoder.defaultAbiCoder().encode(
        addresses.map(() => 'address'),
        addresses,
    );

test('anybody may create a contract and owns it; the factory knows it and says so', async f => {
    for (const who of [f.owner, f.stranger]) {
        const { events } = await f.factory.as(who).send('createReputation', NOBODY, '0x');
        assert.deepEqual(
            events.map(e => e.name),
            ['ReputationCreated'],
        );
        const [address, owner, referrer] = events[0].args;
        assert.equal(owner.toLowerCase(), who);
        assert.equal(referrer, NOBODY);
        assert.equal(await f.factory.view('isReputation', address), true);
    }
    assert.equal(await f.factory.view('isReputation', f.owner), false);
    assert.equal(await f.factory.view('isReputation', f.factory.address), false);
});

test('a fresh contract has its owner, its referrer, and nothing else', async f => {
    const first = await f.create();
    const second = await f.create({ referrer: first.address, from: f.stranger });
    assert.deepEqual(await Promise.all([0, 1, 2, 3, 4, 5].map(i => second.slot(i))), [
        BigInt(f.stranger),
        BigInt(first.address),
        0n,
        0n,
        0n,
        0n,
    ]);
});

test('every contract has the code whose hash the released files give', async f => {
    const wanted = keccak256(f.code.Reputation.deployedBytecode);
    const first = await f.create();
    const second = await f.create({ referrer: first.address, from: f.stranger });
    for (const { address } of [first, second]) {
        const { codeHash } = await f.chain.rpc('eth_getProof', address, [], 'latest');
        assert.equal(codeHash, wanted);
    }
});

test('a referrer must be a contract of this factory, not one that only looks like it', async f => {
    const own = await f.chain.deploy(f.owner, f.code.Reputation, [f.owner, NOBODY]);
    const elsewhere = await f.chain.deploy(f.owner, f.code.ReputationFactory, [NOBODY]);
    const foreign = await f.create({ maker: elsewhere });
    for (const referrer of [
        own.address,
        foreign.address,
        f.owner,
        f.factory.address,
        '0x' + '00'.repeat(19) + '01',
    ]) {
        const why = await f.factory.refused('createReputation', referrer, '0x');
        assert.equal(why.name, 'UnknownReferrer');
        assert.equal(why.args[0].toLowerCase(), referrer);
    }
});

test('an address follows from owner, referrer and count, and belongs to nobody else', async f => {
    const factory = await f.chain.deploy(f.owner, f.code.ReputationFactory, [NOBODY]);
    const seen = new Set();
    for (const who of [f.owner, f.stranger]) {
        for (let count = 0; count < 3; count++) {
            const made = await f.create({ maker: factory, from: who });
            const code = f.code.Reputation.bytecode + encode(who, NOBODY).slice(2);
            assert.equal(
                made.address,
                getCreate2Address(
                    factory.address,
                    hex(word32(count)),
                    keccak256(code),
                ).toLowerCase(),
            );
            seen.add(made.address);
        }
        assert.equal(await factory.view('createdCount', who), 3n);
    }
    assert.equal(seen.size, 6);
});

test('a verifier must be a contract when the factory is deployed', async f => {
    const why = await f.chain.deployRefused(f.owner, f.code.ReputationFactory, [f.stranger]);
    assert.equal(why.name, 'VerifierHasNoCode');
    assert.equal(why.args[0].toLowerCase(), f.stranger);
});

test('a verifier is asked who creates after whom, and its yes opens a contract', async f => {
    const verifier = await f.chain.deploy(f.owner, f.code.BoundVerifier);
    const maker = await f.chain.deploy(f.owner, f.code.ReputationFactory, [verifier.address]);
    assert.equal((await maker.view('verifier')).toLowerCase(), verifier.address);
    const mine = encode(f.owner, NOBODY);
    assert.equal(
        (await maker.as(f.stranger).refused('createReputation', NOBODY, mine)).name,
        'AttestationRefused',
    );
    assert.equal(
        (await maker.refused('createReputation', NOBODY, mine.slice(0, -2))).name,
        'AttestationRefused',
    );
    assert.equal(
        (await maker.refused('createReputation', NOBODY, '0x')).name,
        'AttestationRefused',
    );
    const first = await f.create({ maker, attestation: mine });
    const next = { referrer: first.address, maker };
    assert.equal(
        (await maker.refused('createReputation', first.address, mine)).name,
        'AttestationRefused',
    );
    await f.create({ ...next, attestation: encode(f.owner, first.address) });
});

test('only the one word 1 is a yes; whatever else a verifier does creates nothing', async f => {
    for (const [way, name] of WAYS.entries()) {
        const verifier = await f.chain.deploy(f.owner, f.code.HostileVerifier, [way]);
        const maker = await f.chain.deploy(f.owner, f.code.ReputationFactory, [verifier.address]);
        if (name === 'Yes') {
            await f.create({ maker });
        } else {
            assert.equal(
                (await maker.refused('createReputation', NOBODY, '0x')).name,
                'AttestationRefused',
                name,
            );
            assert.equal(await maker.view('createdCount', f.owner), 0n);
        }
    }
});

test('a contract that creates is itself the owner, and the one that the verifier hears of', async f => {
    const verifier = await f.chain.deploy(f.owner, f.code.BoundVerifier);
    const maker = await f.chain.deploy(f.owner, f.code.ReputationFactory, [verifier.address]);
    const creator = await f.chain.deploy(f.owner, f.code.Creator);
    await creator.send('create', maker.address, encode(creator.address, NOBODY));
    assert.equal(await maker.view('createdCount', creator.address), 1n);
    const code = f.code.Reputation.bytecode + encode(creator.address, NOBODY).slice(2);
    const made = getCreate2Address(maker.address, hex(word32(0)), keccak256(code));
    assert.equal(await maker.view('isReputation', made), true);
});

test('a verifier without code by now refuses everybody', async f => {
    const verifier = await f.chain.deploy(f.owner, f.code.BoundVerifier);
    const maker = await f.chain.deploy(f.owner, f.code.ReputationFactory, [verifier.address]);
    await f.chain.rpc('anvil_setCode', verifier.address, '0x');
    assert.equal(
        (await maker.refused('createReputation', NOBODY, encode(f.owner, NOBODY))).name,
        'AttestationRefused',
    );
});

test('a verifier cannot create contracts while it is asked', async f => {
    const verifier = await f.chain.deploy(f.owner, f.code.ReentrantVerifier);
    const maker = await f.chain.deploy(f.owner, f.code.ReputationFactory, [verifier.address]);
    const { events } = await maker.send('createReputation', NOBODY, '0x01');
    assert.equal(events.length, 1);
    assert.equal(events[0].args.owner.toLowerCase(), f.owner);
    assert.equal(
        await maker.view('createdCount', verifier.address),
        0n,
        'its creation was refused',
    );
});

test('without a verifier the attestation is ignored', async f => {
    const reputation = await f.create({ attestation: '0x' + 'ff'.repeat(500) });
    await reputation.send('register', 1, 1, registerRows(makeUsers(1, 'factory')));
});
