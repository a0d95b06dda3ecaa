// Random operations on a family of contracts, each compared with a model that is written down twice
// as plainly: same refusals, same slots, same events.
import assert from 'node:assert/strict';
import { test } from './lib/tests.mjs';
import { Model } from './lib/model.mjs';
import {
    adoptRows,
    entrySlot,
    hex,
    makeUsers,
    NOBODY,
    Random,
    registerRows,
    User,
    writeRows,
} from './lib/users.mjs';

const OPERATIONS = 300;
const USERS = 8; // few, so that duplicates and strangers are met often
const LIFE = 60; // operations on one family
const users = makeUsers(USERS, 'random');
const CHECK_ALL_EVERY = 20;
const KINDS = ['register', 'register', 'register', 'write', 'write', 'write', 'adopt', 'adopt'];

/** Mostly right, sometimes wrong in one of the ways that a batch can be wrong in. */
function operation(random, model, stranger) {
    const kind =
        random.below(15) === 0 || (model.mode === 2 && random.below(2))
            ? 'writeRoot'
            : random.pick(KINDS);
    const rows = Array.from({ length: 1 + random.below(3) }, () => ({
        user: random.pick(random.below(8) === 0 ? users : fitting(kind, model)),
        word: random.pick([0n, 1n, random.bits(256), random.bits(40)]),
        wrongKey: random.below(15) === 0,
    }));
    const made = {
        kind: random.below(60) === 0 ? 'seal' : kind,
        from: random.below(25) === 0 ? stranger : model.owner,
        sequence: model.sequence + (random.below(20) === 0 ? random.pick([0, 2, -1]) : 1),
        epoch: Math.max(0, model.epoch + random.pick([0, 0, 0, 0, 0, 0, 0, 1, 1, 2, -1])),
        root: hex(random.bytes(32)),
        count: random.below(2 ** 32),
        successor: random.pick([NOBODY, stranger]),
        torn: random.below(20) === 0,
        rows,
    };
    made.sequence = Math.max(0, made.sequence);
    made.batch = batchOf(made, random);
    return made;
}

/** The users for whom such a row is right; everybody when there is none. */
function fitting(kind, model) {
    const right = users.filter(({ id }) => {
        const known = model.accounts.has(id);
        if (kind === 'adopt') return !known && model.referrer?.accounts.has(id);
        return kind === 'write' ? known : !known;
    });
    return right.length ? right : users;
}

function batchOf({ kind, rows, torn }, random) {
    if (kind === 'writeRoot') return hex(random.bytes(random.below(100)));
    const withWord = rows.map(({ user, word }) => Object.assign(Object.create(user), { word }));
    const encoded = {
        register: () => registerRows(withWord),
        write: () => writeRows(rows.map(({ user, word }) => [user, word])),
        adopt: () =>
            adoptRows(rows.map(({ user, wrongKey }) => (wrongKey ? impostor(user) : user))),
        seal: () => '0x00',
    }[kind]();
    return torn ? encoded.slice(0, -2 * (1 + random.below(31))) : encoded;
}

function impostor(user) {
    return Object.assign(new User('impostor', user.number), { uidHash: user.uidHash });
}

function argumentsOf({ kind, sequence, epoch, batch, root, count, successor }) {
    if (kind === 'seal') return [successor];
    if (kind === 'writeRoot') return [sequence, epoch, count, root, batch];
    return [sequence, epoch, batch];
}

function eventsOf({ kind, rows, root, count, successor }, model) {
    if (kind === 'seal') return [['Sealed', successor.toLowerCase()]];
    const written = [
        'Written',
        BigInt(model.sequence),
        BigInt(model.epoch),
        BigInt(kind === 'writeRoot' ? count : rows.length),
        model.head,
    ];
    if (kind === 'writeRoot') return [['RootWritten', BigInt(model.sequence), root], written];
    if (kind === 'write') return [written];
    return [
        ...rows.map(({ user }) => ['Registered', user.id, BigInt(user.number), hex(user.key)]),
        written,
    ];
}

async function compareState(contract, model) {
    const packed = (low, ...more) =>
        more.reduce((sum, [shift, value]) => sum | (BigInt(value) << shift), BigInt(low));
    const wanted = [
        packed(model.owner, [160n, model.sequence], [208n, model.epoch]),
        packed(
            model.referrer?.address ?? 0,
            [160n, model.userCount],
            [192n, model.isSealed ? 1 : 0],
            [200n, model.mode],
        ),
        ...[model.successor, model.head, model.registrations, model.root].map(BigInt),
    ];
    const keys = wanted.map((_, slot) => BigInt(slot));
    for (const user of users) {
        const { word, keyHash } = model.own(user.id);
        keys.push(entrySlot(user.uidHash, 6), entrySlot(user.uidHash, 7));
        wanted.push(word, BigInt(keyHash));
    }
    assert.deepEqual(await contract.slots(keys), wanted);
}

async function compareView(contract, model, user) {
    if (model.mode === 2) return;
    const seen = await contract.view('accountOf', user.id);
    assert.deepEqual({ word: seen.word, keyHash: seen.keyHash }, model.accountOf(user.id));
}

async function member(f, referrer) {
    const contract = await f.create({ referrer: referrer?.contract.address });
    return {
        contract,
        model: new Model({ owner: f.owner, referrer: referrer?.model, address: contract.address }),
    };
}

async function step({ contract, model }, made) {
    const wanted = model.apply(made);
    const caller = contract.as(made.from);
    if (wanted) {
        assert.equal((await caller.refused(made.kind, ...argumentsOf(made))).name, wanted);
    } else {
        const { events } = await caller.send(made.kind, ...argumentsOf(made));
        const plain = value =>
            typeof value === 'string' && value.length === 42 ? value.toLowerCase() : value;
        assert.deepEqual(
            events.map(e => [e.name, ...e.args.map(plain)]),
            eventsOf(made, model),
        );
    }
    return wanted || 'done';
}

test('random operations on grandparent, parent and child agree with the model', async f => {
    const seed = process.env.PBTS_SEED ?? String(Date.now() % 1_000_000);
    console.log(`# PBTS_SEED=${seed}`);
    const random = new Random(seed);
    const outcomes = {};
    let line = [];
    for (let n = 0; n < OPERATIONS; n++) {
        if (n % LIFE === 0) {
            line = [];
            for (let depth = 0; depth < 3; depth++) line.push(await member(f, line.at(-1)));
        }
        const chosen = random.pick(line);
        const made = operation(random, chosen.model, f.stranger);
        try {
            const outcome = await step(chosen, made);
            outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
            await compareState(chosen.contract, chosen.model);
            for (const m of line) await compareView(m.contract, m.model, random.pick(users));
            if (n % CHECK_ALL_EVERY === 0)
                for (const m of line) await compareState(m.contract, m.model);
        } catch (error) {
            const where = `PBTS_SEED=${seed}, operation ${n}, ${made.kind} from ${made.from}`;
            error.message = `${where}: ${error.message}`;
            throw error;
        }
    }
    console.log(`# ${JSON.stringify(outcomes)}`);
    assert.ok(outcomes.done > OPERATIONS / 4, 'too few operations were right ones');
});
