// Gas per user by batch size and mode, beside the naive contract, on one Anvil; for bench/ledger.
// Prints JSON. Figures are gasUsed of receipts, the 21,000 of a transaction included.
import { createRequire } from 'node:module';
import { startAnvil } from '../contracts/test/lib/anvil.mjs';
import { Chain } from '../contracts/test/lib/chain.mjs';
import { makeFixture } from '../contracts/test/lib/fixture.mjs';
import {
    adoptRows,
    hex,
    makeUsers,
    pack,
    Random,
    registerRows,
    User,
    writeRows,
} from '../contracts/test/lib/users.mjs';

const { Transaction } = createRequire(new URL('../contracts/package.json', import.meta.url))('ethers');
const SIZES = [1, 10, 100, 500, 1000];
const GAS_CAP = 1 << 24; // EIP-7825
const LENGTH_CAP = 128 * 1024; // what nodes take
const LENGTH_BOUND = 12_000; // users: more than any mode can have in one transaction
const NAIVE_USERS = 10;

const random = new Random('bench/ledger');
const someWord = () => pack({ up: random.bits(40), down: random.bits(40), generation: 1n });
const updates = users => writeRows(users.map(user => [user, someWord()]));

/** A user in the data of root mode (src/eth/reputation_root.h): the next number, and up to 4 GiB
 * more of both totals. */
const rootRow = () =>
    Buffer.concat([Buffer.alloc(3), random.bytes(4), Buffer.alloc(1), random.bytes(4)]);

/** Length of the signed transaction that carries `data`. */
function lengthOf(data, to) {
    const transaction = Transaction.from({
        type: 2,
        to,
        nonce: 1_000_000,
        gasLimit: GAS_CAP,
        maxFeePerGas: 10n ** 12n,
        maxPriorityFeePerGas: 10n ** 10n,
        chainId: 11155111,
        data,
        signature: { r: '0x' + 'f'.repeat(63) + '1', s: '0x' + '7'.repeat(64), v: 27 },
    });
    return (transaction.serialized.length - 2) / 2;
}

/** The largest count in 1..limit for which fits(count) holds; it holds for all below. */
async function largest(limit, fits) {
    let low = 1;
    for (let high = limit; low < high; ) {
        const middle = Math.ceil((low + high) / 2);
        if (await fits(middle)) low = middle;
        else high = middle - 1;
    }
    return low;
}

/** One contract, its next batch, and what a batch of each kind holds. */
class Bench {
    constructor(fixture, reputation) {
        Object.assign(this, { fixture, reputation, sequence: 0 });
    }

    args(name, batch, count) {
        const head = [this.sequence + 1, this.sequence + 1];
        return name === 'writeRoot'
            ? [...head, count, hex(random.bytes(32)), batch]
            : [...head, batch];
    }

    data(name, batch, count) {
        return this.reputation.iface.encodeFunctionData(name, this.args(name, batch, count));
    }

    async send(name, batch, count) {
        const { gas } = await this.reputation.send(name, ...this.args(name, batch, count));
        this.sequence++;
        return gas;
    }

    /** {by_length, by_gas}: how many users one transaction takes. */
    async limits(name, make) {
        const users = Math.min(LENGTH_BOUND, make.most ?? LENGTH_BOUND);
        const fitsLength = count =>
            lengthOf(this.data(name, make(count), count), this.reputation.address) <= LENGTH_CAP;
        const byLength = await largest(users, fitsLength);
        const byGas = await largest(byLength, async count => {
            const call = {
                from: this.reputation.from,
                to: this.reputation.address,
                data: this.data(name, make(count), count),
                gas: '0x' + GAS_CAP.toString(16),
            };
            return this.fixture.chain.rpc('eth_call', call, 'latest').then(
                () => true,
                () => false,
            );
        });
        return { most: byGas, bound_by: byGas < byLength ? 'gas' : 'length' };
    }

    /** Gas for each size and for the largest batch; `take(count)` gives rows that were not used. */
    async measure(name, take, most) {
        const figures = {};
        for (const count of [...SIZES.filter(size => size < most), most]) {
            const gas = await this.send(name, take(count), count);
            figures[count] = { gas, per_user: gas / count };
        }
        return figures;
    }
}

const open = async (f, options) => {
    const bench = new Bench(f, await f.create(options));
    return bench;
};

const register = async (bench, users, size) => {
    for (let at = 0; at < users.length; at += size)
        await bench.send('register', registerRows(users.slice(at, at + size)));
};

/** Takes users from a list, each once. */
const taker = (users, rows) => {
    let at = 0;
    return count => rows(users.slice(at, (at += count)));
};

async function measureRegister(f, word, prefix) {
    const users = makeUsers(2100, prefix).map(user => Object.assign(user, word));
    const bench = await open(f);
    await bench.send('register', registerRows([new User(`${prefix} first`, 1)]));
    const make = count => registerRows(users.slice(0, count));
    make.most = 800;
    const limit = await bench.limits('register', make);
    return { ...limit, sizes: await bench.measure('register', taker(users, registerRows), limit.most) };
}

async function measureWrite(f, word, prefix) {
    const users = makeUsers(2100, prefix).map(user => Object.assign(user, word));
    const bench = await open(f);
    await register(bench, users, 250);
    const make = count => updates(users.slice(0, count));
    make.most = users.length;
    const limit = await bench.limits('write', make);
    // First writes need users that have none; updates are the same however often.
    const take = 'word' in word ? taker(users, updates) : make;
    return { ...limit, sizes: await bench.measure('write', take, limit.most) };
}

async function measureAdopt(f) {
    const users = makeUsers(1000, 'adopted');
    const old = await open(f);
    await register(old, users, 250);
    const bench = await open(f, { referrer: old.reputation.address });
    await bench.send('register', registerRows([new User('adopted first', 1)]));
    const make = count => adoptRows(users.slice(0, count));
    make.most = 800;
    const limit = await bench.limits('adopt', make);
    return { ...limit, sizes: await bench.measure('adopt', taker(users, adoptRows), limit.most) };
}

async function measureRoot(f) {
    const bench = await open(f);
    const make = count => hex(Buffer.concat(Array.from({ length: count }, rootRow)));
    await bench.send('writeRoot', make(1), 1);
    const limit = await bench.limits('writeRoot', make);
    return { ...limit, sizes: await bench.measure('writeRoot', make, limit.most) };
}

/** One call per user: the mean of some. */
async function measureNaive(f) {
    const naive = await f.chain.deploy(f.owner, f.code.NaiveReputation);
    const sums = { register: 0, first_values: 0, update: 0 };
    for (let i = 0; i < NAIVE_USERS; i++) {
        const name = `some-user-${i}`;
        const set = async () =>
            (await naive.send('update', name, random.bits(40), random.bits(40))).gas;
        sums.register += (await naive.send('register', name, hex(random.bytes(96)).slice(2))).gas;
        sums.first_values += await set();
        sums.update += await set();
    }
    return Object.fromEntries(Object.entries(sums).map(([k, gas]) => [k, gas / NAIVE_USERS]));
}

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.once(signal, () => process.exit(1));
const anvil = await startAnvil({ hardfork: 'osaka', options: ['--gas-limit', '100000000'] });
try {
    const f = await makeFixture(new Chain(anvil.url));
    const results = {
        write: await measureWrite(f, {}, 'update'),
        'write, first values': await measureWrite(f, { word: 0n }, 'first'),
        register: await measureRegister(f, {}, 'new'),
        'register, word of zero': await measureRegister(f, { word: 0n }, 'blank'),
        adopt: await measureAdopt(f),
        writeRoot: await measureRoot(f),
        naive: await measureNaive(f),
    };
    console.log(JSON.stringify(results, null, 1));
} finally {
    await anvil.stop();
}
process.exit(0);
