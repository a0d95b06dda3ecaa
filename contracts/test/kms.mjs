// The verifier of a key service's statements: whom it lets in, and that it lets nobody else in.
import assert from 'node:assert/strict';
import { keccak256 } from 'ethers';
import { startAnvil } from './lib/anvil.mjs';
import { Chain, Contract } from './lib/chain.mjs';
import { test } from './lib/tests.mjs';
import {
    claims,
    curve,
    deployVerified,
    FAR,
    g1,
    g2,
    LINEAGE,
    message,
    otherSignature,
    SECRET,
    Signer,
} from './lib/kms.mjs';
import { bytes, hex, NOBODY, sha256, word32 } from './lib/users.mjs';

const P = curve.fields.Fp.ORDER;
const { Fp2 } = curve.fields;
const address = number => '0x' + number.toString(16).padStart(40, '0');
const G1ADD = address(0x0b);
const G2MSM = address(0x0e);
const PAIRING = address(0x0f);
const MAP_FP_TO_G1 = address(0x10);

/** On the curve, in no subgroup of the right order: x is small, so that it is found at once. */
const G1_OUTSIDE = g1({ x: 0n, y: 2n });
const G2_OUTSIDE = (() => {
    for (let c0 = 1n; ; c0++) {
        const x = { c0, c1: 0n };
        const square = Fp2.add(Fp2.mul(Fp2.sqr(x), x), { c0: 4n, c1: 4n });
        try {
            return g2({ x, y: Fp2.sqrt(square) });
        } catch {
            // not a square
        }
    }
})();

let shared = null;

/** One verifier with its factory, for tests that do not change it. */
async function scene(f) {
    if (shared) return shared;
    const signer = new Signer();
    const { key } = await signer.sign(Buffer.alloc(1));
    const { verifier, factory } = await deployVerified(f, f.owner, { key });
    const about = (what = {}) => ({
        verifier: verifier.address,
        owner: f.owner,
        claims: claims(),
        ...what,
    });
    /** The attestation with these claims; `signed`: what is signed, when that differs. */
    const attest = async (what = {}, signed = {}) => {
        const shown = about(what);
        const { signature } = await signer.sign(message({ ...shown, ...signed }));
        return Buffer.concat([shown.claims, signature]);
    };
    const asked = verifier.as(factory.address);
    const refused = async attestation => {
        const why = await asked.refusedView('verify', f.owner, NOBODY, hex(attestation));
        const made = factory.refused('createReputation', NOBODY, hex(attestation));
        assert.equal((await made).name, 'AttestationRefused');
        return why;
    };
    shared = { signer, key, verifier, factory, about, attest, asked, refused };
    return shared;
}

test('kms: whom the service vouches for opens contracts, until the statement expires', async f => {
    const { attest, factory, verifier, key } = await scene(f);
    const attestation = hex(await attest());
    const first = await f.create({ maker: factory, attestation });
    await f.create({ maker: factory, attestation, referrer: first.address });
    assert.equal(await factory.view('createdCount', f.owner), 2n);
    assert.equal(await verifier.view('publicKey'), hex(key));
    assert.equal(await verifier.view('isLineage', hex(LINEAGE)), true);
    assert.equal((await verifier.view('factory')).toLowerCase(), factory.address);
});

test('kms: another library makes the same key and signatures', async f => {
    const { signer, key, about } = await scene(f);
    const secret = BigInt(hex(SECRET));
    assert.deepEqual(key, g2(curve.G2.ProjectivePoint.BASE.multiply(secret).toAffine()));
    for (let i = 0; i < 8; i++) {
        const text = message(about({ claims: claims({ expiry: FAR + BigInt(i) }) }));
        assert.deepEqual((await signer.sign(text)).signature, otherSignature(text));
    }
});

test('kms: no byte of a statement can be another', async f => {
    const { attest, asked, refused } = await scene(f);
    const good = await attest();
    for (let at = 0; at < good.length; at++) {
        const other = Buffer.from(good);
        other[at] ^= 1 << at % 8;
        const why = await asked.refusedView('verify', f.owner, NOBODY, hex(other));
        const wanted = at < 32 ? 'UnknownLineage' : at < 88 ? 'BadSignature' : 'BadPoint';
        assert.equal(why.name, wanted, `byte ${at}`);
        if (at % 40 === 0) await refused(other);
    }
});

test('kms: a statement is for one owner, one chain, one verifier and one factory', async f => {
    const { attest, verifier, factory, asked, key } = await scene(f);
    const good = hex(await attest());
    const names = async (contract, owner) =>
        (await contract.refusedView('verify', owner, NOBODY, good)).name;
    assert.equal(await names(asked, f.stranger), 'BadSignature');
    assert.equal(
        (await factory.as(f.stranger).refused('createReputation', NOBODY, good)).name,
        'AttestationRefused',
    );
    const twin = await deployVerified(f, f.owner, { key });
    assert.equal(await names(twin.verifier.as(twin.factory.address), f.owner), 'BadSignature');
    assert.equal(
        (await twin.factory.refused('createReputation', NOBODY, good)).name,
        'AttestationRefused',
    );
    // Another factory with the same verifier, and somebody who is none.
    const rival = await f.chain.deploy(f.owner, f.code.ReputationFactory, [verifier.address]);
    assert.equal(
        (await rival.refused('createReputation', NOBODY, good)).name,
        'AttestationRefused',
    );
    for (const asker of [rival.address, f.owner, f.stranger]) {
        const why = await verifier.as(asker).refusedView('verify', f.owner, NOBODY, good);
        assert.equal(why.name, 'NotTheFactory');
        assert.equal(why.args[0].toLowerCase(), asker);
    }
    await f.chain.rpc('anvil_setChainId', 31338);
    const elsewhere = await names(asked, f.owner).finally(() =>
        f.chain.rpc('anvil_setChainId', 31337),
    );
    assert.equal(elsewhere, 'BadSignature');
    assert.equal(await asked.view('verify', f.owner, NOBODY, good), true);
});

test('kms: each field that is signed must be the one that is shown', async f => {
    const { attest, refused } = await scene(f);
    for (const signed of [
        { chain: 1n },
        { chain: 31337n << 32n },
        { verifier: f.owner },
        { owner: f.stranger },
        { claims: claims({ lineage: sha256(Buffer.from('another')) }) },
        { claims: claims({ measurement: Buffer.alloc(48) }) },
        { claims: claims({ expiry: FAR - 1n }) },
        { claims: claims().subarray(1) },
        { claims: Buffer.concat([claims(), Buffer.alloc(1)]) },
    ]) {
        assert.equal((await refused(await attest({}, signed))).name, 'BadSignature');
    }
});

test('kms: it is refused from the second of its expiry on', async f => {
    const { attest, asked } = await scene(f);
    const data = asked.iface.encodeFunctionData('verify', [f.owner, NOBODY, hex(await attest())]);
    const call = { from: asked.from, to: asked.address, data };
    const at = seconds =>
        f.chain.rpc('eth_call', call, 'latest', {}, { time: '0x' + seconds.toString(16) });
    assert.equal(await at(FAR - 1n), hex(word32(1)));
    for (const late of [FAR, FAR + 1n, (1n << 64n) - 1n]) {
        const error = await at(late).then(
            () => null,
            why => asked.iface.parseError(why.data),
        );
        assert.equal(error?.name, 'Expired');
        assert.equal(error.args[0], FAR);
    }
    const { refused } = shared;
    const old = await refused(await attest({ claims: claims({ expiry: 1_000_000_000n }) }));
    assert.deepEqual([old.name, old.args[0]], ['Expired', 1_000_000_000n]);
    assert.equal((await refused(await attest({ claims: claims({ expiry: 0n }) }))).name, 'Expired');
});

test('kms: trackers of other lineages are refused', async f => {
    const { attest, refused, key } = await scene(f);
    const lineage = sha256(Buffer.from('another'));
    const why = await refused(await attest({ claims: claims({ lineage }) }));
    assert.deepEqual([why.name, why.args[0]], ['UnknownLineage', hex(lineage)]);
    assert.equal(
        (await refused(await attest({ claims: claims({ lineage: Buffer.alloc(32) }) }))).name,
        'UnknownLineage',
    );
    const both = await deployVerified(f, f.owner, { key, lineages: [LINEAGE, lineage] });
    for (const one of [LINEAGE, lineage]) {
        const what = { verifier: both.verifier.address, claims: claims({ lineage: one }) };
        await f.create({ maker: both.factory, attestation: hex(await attest(what)) });
    }
});

test('kms: nothing but 216 bytes is an attestation', async f => {
    const { attest, refused } = await scene(f);
    const good = await attest();
    for (const length of [0, 1, 88, 88 + 48, 215, 217, 248]) {
        const why = await refused(Buffer.concat([good, Buffer.alloc(32)]).subarray(0, length));
        assert.deepEqual([why.name, why.args[0]], ['BadLength', BigInt(length)]);
    }
});

test('kms: a signature is a point of the subgroup in its one form, and not infinity', async f => {
    const { attest, refused } = await scene(f);
    const good = await attest();
    const shown = good.subarray(0, 88);
    const signature = good.subarray(88);
    const x = BigInt(hex(signature.subarray(0, 64)));
    const y = BigInt(hex(signature.subarray(64)));
    const flipped = Buffer.from(signature);
    flipped[0] = 1;
    const bad = {
        infinity: Buffer.alloc(128),
        'outside the subgroup': G1_OUTSIDE,
        'outside the subgroup, plus a good one': g1(
            curve.G1.ProjectivePoint.fromAffine({ x: 0n, y: 2n })
                .add(curve.G1.ProjectivePoint.fromAffine({ x, y }))
                .toAffine(),
        ),
        'off the curve': g1({ x, y: (y + 1n) % P }),
        'x above the modulus': g1({ x: x + P, y }),
        'y above the modulus': g1({ x, y: y + P }),
        'the highest bytes': flipped,
        'half infinity': g1({ x, y: 0n }),
    };
    for (const [name, point] of Object.entries(bad))
        assert.equal((await refused(Buffer.concat([shown, point]))).name, 'BadPoint', name);
    const negated = Buffer.concat([shown, g1({ x, y: P - y })]);
    assert.equal((await refused(negated)).name, 'BadSignature');
});

test('kms: a signature under another key or for another purpose is none', async f => {
    const { signer, about, refused } = await scene(f);
    const text = message(about());
    const shown = claims();
    const other = sha256(Buffer.from('another key'));
    other[0] = 1;
    const { signature } = await signer.sign(text, other);
    assert.equal((await refused(Buffer.concat([shown, signature]))).name, 'BadSignature');
    for (const domain of [
        'PBTS_V1_LEDGER_BLS12381G1_XMD:SHA-256_SSWU_RO_',
        'PBTS_V1_KMS_ATTEST_BLS12381G1_XMD:SHA-256_SSWU_RO',
        'BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_',
    ]) {
        const wrong = Buffer.concat([shown, otherSignature(text, { domain })]);
        assert.equal((await refused(wrong)).name, 'BadSignature', domain);
    }
});

test('kms: the key must be a point of its subgroup, and lineages named', async f => {
    const { key } = await scene(f);
    const refused = (some, lineages = [LINEAGE]) =>
        f.chain.deployRefused(f.owner, f.code.KmsVerifier, [
            f.owner,
            hex(some),
            lineages.map(hex),
        ]);
    for (const length of [0, 96, 255, 257]) {
        const why = await refused(Buffer.concat([key, key]).subarray(0, length));
        assert.deepEqual([why.name, why.args[0]], ['BadLength', BigInt(length)]);
    }
    const flipped = Buffer.from(key);
    flipped[255] ^= 1;
    const tall = Buffer.from(key);
    tall[15] = 1;
    const swapped = Buffer.concat([1, 0, 3, 2].map(i => key.subarray(64 * i, 64 * (i + 1))));
    for (const some of [Buffer.alloc(256), G2_OUTSIDE, flipped, tall, swapped])
        assert.equal((await refused(some)).name, 'BadPoint');
    assert.equal((await refused(key, [])).name, 'BadLength');
});

/** Code that returns `length` bytes, the first word of them `word`; null: reverts. */
const answering = (length, word = 0) =>
    length === null
        ? '0x60006000fd'
        : '0x60' +
          word.toString(16).padStart(2, '0') +
          '60005260' +
          length.toString(16).padStart(2, '0') +
          '6000f3';

test('kms: on a chain without the precompiles, or with others there, nobody gets in', async f => {
    const { attest, verifier, asked, key } = await scene(f);
    const good = hex(await attest());
    const anvil = await startAnvil({ hardfork: 'cancun' });
    try {
        const chain = new Chain(anvil.url);
        const [from] = await chain.accounts();
        const missing = await chain.deployRefused(from, f.code.KmsVerifier, [
            from,
            hex(key),
            [hex(LINEAGE)],
        ]);
        assert.equal(missing.name, 'PrecompileFailed');
        assert.equal(missing.args[0].toLowerCase(), G2MSM);
        // The same verifier, carried over.
        const code = await f.chain.rpc('eth_getCode', verifier.address, 'latest');
        await chain.rpc('anvil_setCode', verifier.address, code);
        const slot = keccak256(Buffer.concat([LINEAGE, word32(0)]));
        await chain.rpc('anvil_setStorageAt', verifier.address, slot, hex(word32(1)));
        const there = new Contract(chain, asked.iface, verifier.address, asked.from);
        const put = (where, ...what) => chain.rpc('anvil_setCode', where, answering(...what));
        const refusal = async () => {
            const why = await there.refusedView('verify', f.owner, NOBODY, good);
            return why.name === 'PrecompileFailed' ? why.args[0].toLowerCase() : why.name;
        };
        for (const where of [MAP_FP_TO_G1, G1ADD]) {
            assert.equal(await refusal(), where);
            for (const length of [0, 127, 129, 160, null]) {
                await put(where, length);
                assert.equal(await refusal(), where);
            }
            await put(where, 128);
        }
        assert.equal(await refusal(), PAIRING);
        for (const [length, word] of [
            [0, 1],
            [31, 1],
            [33, 1],
            [64, 1],
        ]) {
            await put(PAIRING, length, word);
            assert.equal(await refusal(), PAIRING);
        }
        await put(PAIRING, null);
        assert.equal(await refusal(), 'BadPoint');
        for (const word of [0, 2, 3, 0x81]) {
            await put(PAIRING, 32, word);
            assert.equal(await refusal(), 'BadSignature');
        }
        await put(PAIRING, 32, 1); // such a chain would lie about anything
        assert.equal(await there.view('verify', f.owner, NOBODY, good), true);
    } finally {
        await anvil.stop();
    }
});

test('kms: the verifier has no storage but its lineages, and its code names no other key', async f => {
    const { verifier, key } = await scene(f);
    const first = await Promise.all([0, 1, 2, 3].map(i => verifier.slot(i)));
    assert.deepEqual(first, [0n, 0n, 0n, 0n]);
    const code = bytes(await f.chain.rpc('eth_getCode', verifier.address, 'latest'));
    for (let at = 0; at < 256; at += 32) {
        const word = key.subarray(at, at + 32);
        const trimmed = word.subarray(word.findIndex(byte => byte !== 0));
        assert.ok(code.includes(trimmed), `word ${at} of the key`);
    }
    shared.signer.close();
});
