// Statements of a key service: signed by our own BLS module (the helper program `sign`), in the bytes
// of docs/kms.md; and the same by another library, which can also do what ours refuses to.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { getCreateAddress } from 'ethers';
import { bytes, hex, sha256, word32 } from './users.mjs';

// The curve, from the packages that ethers came with.
const ethers = createRequire(import.meta.url).resolve('ethers');
const path = createRequire(ethers).resolve('@noble/curves/bls12-381');
export const { bls12_381: curve } = await import(pathToFileURL(path));

export const DOMAIN = 'PBTS_V1_KMS_ATTEST_BLS12381G1_XMD:SHA-256_SSWU_RO_';
export const SECRET = sha256(Buffer.from('pbts contracts test, key service'));
SECRET[0] &= 0x3f; // below the order of the groups
export const LINEAGE = sha256(Buffer.from('lineage'));
export const MEASUREMENT = Buffer.concat([
    sha256(Buffer.from('measurement')),
    sha256(Buffer.from('rest')).subarray(16),
]);
export const FAR = 4_000_000_000n; // an expiry in the year 2096

const u64 = value => word32(value).subarray(24);
const element = value => Buffer.from(value.toString(16).padStart(128, '0'), 'hex');

/** Points as EIP-2537 has them. */
export const g1 = ({ x, y }) => Buffer.concat([x, y].map(element));
export const g2 = ({ x, y }) => Buffer.concat([x.c0, x.c1, y.c0, y.c1].map(element));

export const message = ({ chain = 31337n, verifier, owner, claims }) =>
    Buffer.concat([u64(chain), bytes(verifier), bytes(owner), claims]);
export const claims = ({ lineage = LINEAGE, measurement = MEASUREMENT, expiry = FAR } = {}) =>
    Buffer.concat([lineage, measurement, u64(expiry)]);

/** A signature by the other library, under any domain. */
export function otherSignature(text, { secret = SECRET, domain = DOMAIN } = {}) {
    const point = curve.G1.hashToCurve(text, { DST: domain });
    return g1(point.multiply(BigInt(hex(secret))).toAffine());
}

/** The helper program, kept running. */
export class Signer {
    constructor() {
        const folder = process.env.PBTS_HELPERS;
        assert.ok(folder, 'PBTS_HELPERS: the folder of the program `sign` (a build with tests)');
        this.child = spawn(join(folder, 'sign'), { stdio: ['pipe', 'pipe', 'inherit'] });
        this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
    }

    async sign(text, secret = SECRET) {
        const ask = { cmd: 'kms_attest', secret: secret.toString('hex'), message: text.toString('hex') };
        this.child.stdin.write(JSON.stringify(ask) + '\n');
        const { signature, public: key, error } = JSON.parse((await this.lines.next()).value);
        assert.ok(!error, error);
        return { signature: Buffer.from(signature, 'hex'), key: Buffer.from(key, 'hex') };
    }

    close() {
        this.child.stdin.end();
    }
}

/** A verifier and the one factory that asks it, deployed by an account whose next two they are. */
export async function deployVerified(f, from, { key, lineages = [LINEAGE] }) {
    const nonce = Number(await f.chain.rpc('eth_getTransactionCount', from, 'latest'));
    const asker = getCreateAddress({ from, nonce: nonce + 1 }).toLowerCase();
    const verifier = await f.chain.deploy(from, f.code.KmsVerifier, [
        asker,
        hex(key),
        lineages.map(hex),
    ]);
    const factory = await f.chain.deploy(from, f.code.ReputationFactory, [verifier.address]);
    assert.equal(factory.address, asker);
    return { verifier, factory };
}
