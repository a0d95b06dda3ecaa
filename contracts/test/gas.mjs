// The gas report: contracts/GAS.tsv is what these measurements give, to the unit. PBTS_UPDATE_GAS=1
// writes it. Figures are gasUsed of receipts under Prague's rules, the 21,000 of a transaction
// included.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { claims, deployVerified, message, Signer } from './lib/kms.mjs';
import { test } from './lib/tests.mjs';
import {
    adoptRows,
    hex,
    makeUsers,
    NOBODY,
    pack,
    Random,
    registerRows,
    User,
    word32,
    writeRows,
} from './lib/users.mjs';

const REPORT = new URL('../GAS.tsv', import.meta.url);
const HEADER = [
    '# gas of the contracts, Prague rules; made by PBTS_UPDATE_GAS=1 node contracts/test/run.mjs',
    'operation\tusers\tgas\tgas per user\tat most\n',
].join('\n');
const BATCH = 500;
const REGISTER_BATCH = 250; // 13 million gas, below the 2^24 that a transaction may use since Osaka

const random = new Random('gas');
// Totals up to a tebibyte and a passkey that was changed once: five bytes, five bytes, one byte.
const someWord = () => pack({ up: random.bits(40), down: random.bits(40), generation: 1n });
const updates = users => writeRows(users.map(user => [user, someWord()]));
const chunks = (list, size) =>
    Array.from({ length: Math.ceil(list.length / size) }, (_, i) =>
        list.slice(i * size, (i + 1) * size),
    );

class Report {
    lines = [];

    add(operation, users, gas, limit = '') {
        const each = gas / users;
        this.lines.push([operation, users, gas, each.toFixed(1), limit].join('\t'));
        if (limit) assert.ok(each <= limit, `${operation}: ${each} gas per user, at most ${limit}`);
    }

    text() {
        return HEADER + this.lines.join('\n') + '\n';
    }
}

/** Of the only transaction of a block. */
async function gasOfBlock(f, number) {
    const block = await f.chain.rpc('eth_getBlockByNumber', '0x' + number.toString(16), false);
    return Number(block.gasUsed);
}

async function measureCreation(f, report) {
    const factory = await f.chain.deploy(f.owner, f.code.ReputationFactory, [NOBODY]);
    const last = Number(await f.chain.rpc('eth_blockNumber'));
    report.add('deploy the factory', 1, await gasOfBlock(f, last));
    report.add('createReputation', 1, (await factory.send('createReputation', NOBODY, '0x')).gas);
}

async function measureSlots(f, report) {
    const users = makeUsers(4 * BATCH, 'gas');
    const blank = makeUsers(BATCH, 'blank').map(user => Object.assign(user, { word: 0n }));
    const reputation = await f.create();
    let sequence = 0;
    const send = async (name, batch) =>
        (await reputation.send(name, ++sequence, sequence, batch)).gas;
    // The first batch sets mode, head, count and chain from zero; later ones are the usual case.
    report.add(
        'register, the first batch',
        1,
        await send('register', registerRows([new User('gas-first', 1)])),
    );
    const registered = [];
    for (const some of chunks(users, REGISTER_BATCH))
        registered.push(await send('register', registerRows(some)));
    report.add('register, with the first values', REGISTER_BATCH, registered[0]);
    const bare = [];
    for (const some of chunks(blank, REGISTER_BATCH))
        bare.push(await send('register', registerRows(some)));
    report.add('register, with a word of zero', REGISTER_BATCH, bare[0]);
    report.add(
        'write, first for users registered with values',
        BATCH,
        await send('write', updates(users.slice(0, BATCH))),
        23500,
    );
    report.add(
        'write, first for users registered with zero',
        BATCH,
        await send('write', updates(blank)),
    );
    for (const count of [1, 10, 100, BATCH, 1000, 2000]) {
        const gas = await send('write', updates(users.slice(0, count)));
        report.add('write, update', count, gas, count === BATCH ? 6000 : '');
    }
    const same = updates(users.slice(0, BATCH));
    await send('write', same);
    report.add('write, nothing changes', BATCH, await send('write', same));
    report.add('seal', 1, (await reputation.send('seal', f.stranger)).gas);
    const next = await f.create({ referrer: reputation.address });
    await next.send('register', 1, 1, registerRows([new User('gas-first', 1)]));
    report.add(
        'adopt',
        REGISTER_BATCH,
        (await next.send('adopt', 2, 2, adoptRows(users.slice(0, REGISTER_BATCH)))).gas,
    );
}

// The short form of src/eth/reputation_root.h: u16 distance to the user before, u40 more up, u40 more
// down. `bits` are those of each increase, the highest of them set.
const shortRow = (gap, bits) =>
    Buffer.concat([
        word32(gap).subarray(30),
        ...[0, 0].map(() =>
            word32((1n << BigInt(bits - 1)) | random.bits(bits - 1)).subarray(27),
        ),
    ]);

/** What the data of a thousand users look like, by what happened since the last batch. */
const DATA = {
    // every user moved 2 to 4 GiB each way
    'writeRoot, 12 bytes, 4 GiB each way': () => shortRow(0, 32),
    // every user moved 8 to 16 MiB each way
    'writeRoot, 12 bytes, 16 MiB each way': () => shortRow(0, 24),
    // one in a hundred users moved, 2 to 4 GiB each way
    'writeRoot, 12 bytes, 4 GiB each way, gaps': () => shortRow(1 + Number(random.bits(6)), 32),
    // every user moved 0.5 to 1 TiB each way: the most that the short form takes
    'writeRoot, 12 bytes, 1 TiB each way': () => shortRow(0, 40),
    // no byte is zero: 12 x 40 gas of calldata by EIP-7623, whatever a contract does
    'writeRoot, 12 bytes, none of them zero': () =>
        Buffer.from(random.bytes(12).map(byte => byte || 1)),
};

async function measureRoot(f, report) {
    const users = 1000;
    const reputation = await f.create();
    let sequence = 0;
    const send = async data =>
        (
            await reputation.send(
                'writeRoot',
                ++sequence,
                sequence,
                users + sequence,
                hex(random.bytes(32)),
                hex(data),
            )
        ).gas;
    await send(Buffer.alloc(1));
    for (const [operation, row] of Object.entries(DATA)) {
        const gas = await send(Buffer.concat(Array.from({ length: users }, row)));
        report.add(operation, users, gas, operation.endsWith('zero') ? '' : 450);
    }
}

/** From an account of its own: what is signed has addresses in it, so their zeros cost or do not. */
async function measureKms(f, report) {
    const from = (await f.chain.accounts())[9];
    const signer = new Signer();
    const { key } = await signer.sign(Buffer.alloc(1));
    const { verifier, factory } = await deployVerified(f, from, { key });
    const last = Number(await f.chain.rpc('eth_blockNumber'));
    report.add('deploy the verifier of a key service', 1, await gasOfBlock(f, last - 1));
    const what = { verifier: verifier.address, owner: from, claims: claims() };
    const { signature } = await signer.sign(message(what));
    signer.close();
    const attestation = hex(Buffer.concat([what.claims, signature]));
    report.add(
        'createReputation, vouched for by a key service',
        1,
        (await factory.send('createReputation', NOBODY, attestation)).gas,
        1500000,
    );
}

async function measureNaive(f, report) {
    const naive = await f.chain.deploy(f.owner, f.code.NaiveReputation);
    const key = hex(random.bytes(96)).slice(2);
    report.add('naive contract, register', 1, (await naive.send('register', 'some-user', key)).gas);
    const send = async () =>
        (await naive.send('update', 'some-user', random.bits(40), random.bits(40))).gas;
    report.add('naive contract, first values', 1, await send());
    report.add('naive contract, update', 1, await send());
}

test('gas is what contracts/GAS.tsv says and within the limits there', async f => {
    const report = new Report();
    await measureCreation(f, report);
    await measureSlots(f, report);
    await measureRoot(f, report);
    await measureNaive(f, report);
    await measureKms(f, report);
    if (process.env.PBTS_UPDATE_GAS) writeFileSync(REPORT, report.text());
    assert.equal(
        report.text(),
        readFileSync(REPORT, 'utf8'),
        'gas changed; if that is meant, run with PBTS_UPDATE_GAS=1',
    );
});
