// What every test starts from: the compiled contracts, accounts, and a fresh Reputation.
import { readFileSync } from 'node:fs';
import { Contract } from './chain.mjs';
import { compile } from '../../compile.mjs';
import { NOBODY } from './users.mjs';

const built = name =>
    JSON.parse(readFileSync(new URL(`../../build/${name}.json`, import.meta.url), 'utf8'));

export async function makeFixture(chain) {
    const [owner, stranger, other] = await chain.accounts();
    const hostile = compile(['test/Hostile.sol'], { viaIR: false, optimizer: { enabled: false } });
    const naive = compile(['naive/NaiveReputation.sol']);
    const Reputation = built('Reputation');
    const ReputationFactory = built('ReputationFactory');
    const KmsVerifier = built('KmsVerifier');
    const factory = await chain.deploy(owner, ReputationFactory, [NOBODY]);

    /** A contract made by the factory. */
    async function create({
        referrer = NOBODY,
        from = owner,
        maker = factory,
        attestation = '0x',
    } = {}) {
        const { events } = await maker.as(from).send('createReputation', referrer, attestation);
        return new Contract(chain, Reputation.abi, events[0].args.reputation, from);
    }

    return {
        chain,
        owner,
        stranger,
        other,
        factory,
        create,
        code: { Reputation, ReputationFactory, KmsVerifier, ...hostile, ...naive },
    };
}
