#!/usr/bin/env node
// All tests of the contracts, against an Anvil of our own. Prints "ok NAME" or "not ok NAME" for
// each.
// usage: PBTS_HELPERS=BUILD/bin node contracts/test/run.mjs [PART OF A NAME]
// PBTS_SEED=N repeats a run of random operations
import { readFileSync } from 'node:fs';
import assert from 'node:assert/strict';
import { products } from '../compile.mjs';
import { startAnvil } from './lib/anvil.mjs';
import { Chain, errorsSeen } from './lib/chain.mjs';
import { makeFixture } from './lib/fixture.mjs';
import { runAll, test } from './lib/tests.mjs';

const file = path => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');

test('the files in contracts/build and the C data of src/eth are what the sources give', () => {
    for (const [path, content] of Object.entries(products())) {
        assert.equal(file(path), content, `contracts/${path} is stale; run contracts/compile.mjs`);
    }
});

await import('./access.mjs');
await import('./batches.mjs');
await import('./referrer.mjs');
await import('./factory.mjs');
await import('./root.mjs');
await import('./layout.mjs');
await import('./random.mjs');
await import('./kms.mjs');
await import('./gas.mjs');

const pattern = process.argv[2] ?? '';
if (!pattern) {
    test('every error of the sources was met in some test', () => {
        const sources = ['Reputation', 'ReputationFactory', 'KmsVerifier']
            .map(name => file(`${name}.sol`))
            .join('');
        const declared = [...sources.matchAll(/^ {4}error (\w+)\(/gm)].map(m => m[1]);
        assert.ok(declared.length > 10);
        assert.deepEqual([...errorsSeen].filter(Boolean).sort(), [...new Set(declared)].sort());
    });
}

// Without these a signal would end this process and leave Anvil behind.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.once(signal, () => process.exit(1));
// Prague has the price of calldata that root mode is bound by (EIP-7623).
const anvil = await startAnvil({ hardfork: 'prague', options: ['--gas-limit', '100000000'] });
let passed = false;
try {
    passed = await runAll(await makeFixture(new Chain(anvil.url)), pattern);
} finally {
    await anvil.stop();
}
process.exit(passed ? 0 : 1);
