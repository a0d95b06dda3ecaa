// A chain for tests: contracts are deployed, called and made to refuse, over plain JSON-RPC.
import assert from 'node:assert/strict';
import http from 'node:http';
import { AbiCoder, Interface } from 'ethers';

const GAS = '0x1000000'; // 2^24, what one transaction may use since Osaka
const agent = new http.Agent({ keepAlive: true });

/** Names of the custom errors that some call was refused with, in the whole run. */
export const errorsSeen = new Set();

export class RpcError extends Error {
    constructor({ message, data }) {
        super(message);
        this.data = typeof data === 'string' ? data : '0x';
    }
}

export class Chain {
    constructor(url) {
        this.url = url;
        this.serial = 0;
    }

    async rpc(method, ...params) {
        const body = JSON.stringify({ jsonrpc: '2.0', id: ++this.serial, method, params });
        const reply = JSON.parse(await post(this.url, body));
        if (reply.error) throw new RpcError(reply.error);
        return reply.result;
    }

    async accounts() {
        return this.rpc('eth_accounts');
    }

    /** Mine one transaction and give its receipt, whatever became of it. */
    async transact(from, to, data, gas = GAS) {
        const hash = await this.rpc('eth_sendTransaction', { from, to, data, gas });
        for (;;) {
            const receipt = await this.rpc('eth_getTransactionReceipt', hash);
            if (receipt) return receipt;
        }
    }

    async deploy(from, { abi, bytecode }, args = []) {
        const data = bytecode + new Interface(abi).encodeDeploy(args).slice(2);
        const receipt = await this.transact(from, undefined, data);
        assert.equal(receipt.status, '0x1', 'the deployment reverted');
        return new Contract(this, abi, receipt.contractAddress, from);
    }

    /** The data that a deployment reverts with. */
    async deployRefused(from, { abi, bytecode }, args) {
        const iface = new Interface(abi);
        const data = bytecode + iface.encodeDeploy(args).slice(2);
        return parseRefusal(iface, await this.revertOf({ from, data, gas: GAS }));
    }

    /** The data that a call reverts with. It must revert. */
    async revertOf(call) {
        try {
            await this.rpc('eth_call', call, 'latest');
        } catch (error) {
            if (error instanceof RpcError) return error.data;
            throw error;
        }
        throw new assert.AssertionError({ message: 'the call was not refused' });
    }

    async storageRoot(address) {
        return (await this.rpc('eth_getProof', address, [], 'latest')).storageHash;
    }
}

/** A contract at an address; writes come from `from`. */
export class Contract {
    constructor(chain, abi, address, from) {
        Object.assign(this, { chain, address: address.toLowerCase(), from });
        this.iface = abi instanceof Interface ? abi : new Interface(abi);
    }

    as(from) {
        return new Contract(this.chain, this.iface, this.address, from);
    }

    /** Carry out a function; {receipt, gas, events}. It must succeed. */
    async send(name, ...args) {
        const data = this.iface.encodeFunctionData(name, args);
        const receipt = await this.chain.transact(this.from, this.address, data);
        if (receipt.status !== '0x1') {
            const why = await this.refusal({ from: this.from, data });
            assert.fail(`${name} reverted: ${why.name}(${why.args})`);
        }
        const events = receipt.logs.map(log => this.iface.parseLog(log));
        return { receipt, gas: Number(receipt.gasUsed), events };
    }

    /** The values that a view returns. */
    async view(name, ...args) {
        const data = this.iface.encodeFunctionData(name, args);
        const call = { from: this.from, to: this.address, data, gas: GAS };
        const values = this.iface.decodeFunctionResult(
            name,
            await this.chain.rpc('eth_call', call, 'latest'),
        );
        return values.length === 1 ? values[0] : values;
    }

    /** What a function is refused with: {name, args}. */
    async refusedView(name, ...args) {
        return this.refusal({ from: this.from, data: this.iface.encodeFunctionData(name, args) });
    }

    /** As refusedView, and a transaction of it fails and leaves every slot as it was. */
    async refused(name, ...args) {
        return this.refusedData(this.iface.encodeFunctionData(name, args));
    }

    async refusedData(data) {
        const why = await this.refusal({ from: this.from, data });
        const before = await this.chain.storageRoot(this.address);
        const receipt = await this.chain.transact(this.from, this.address, data);
        assert.equal(receipt.status, '0x0', 'the call was refused, its transaction was not');
        assert.equal(receipt.logs.length, 0);
        assert.equal(
            await this.chain.storageRoot(this.address),
            before,
            'a refused call changed the storage',
        );
        return why;
    }

    async refusal({ from, data }) {
        const revert = await this.chain.revertOf({ from, to: this.address, data, gas: GAS });
        return parseRefusal(this.iface, revert);
    }

    /** Many slots in one call, as a proof gives them. */
    async slots(indices) {
        const keys = indices.map(index => '0x' + BigInt(index).toString(16).padStart(64, '0'));
        const { storageProof } = await this.chain.rpc('eth_getProof', this.address, keys, 'latest');
        return storageProof.map(entry => BigInt(entry.value));
    }

    async slot(index) {
        const key = '0x' + BigInt(index).toString(16);
        return BigInt(await this.chain.rpc('eth_getStorageAt', this.address, key, 'latest'));
    }
}

function parseRefusal(iface, data) {
    if (data === '0x') return { name: '', args: [] };
    const error = iface.parseError(data);
    assert.ok(error, `reverted with unknown data ${data.slice(0, 80)}`);
    const coder = AbiCoder.defaultAbiCoder();
    assert.equal(
        data,
        error.selector + coder.encode(error.fragment.inputs, error.args).slice(2),
        'revert data has a tail',
    );
    errorsSeen.add(error.name);
    return { name: error.name, args: [...error.args] };
}

function post(url, body) {
    return new Promise((resolve, reject) => {
        const request = http.request(
            url,
            { method: 'POST', agent, headers: { 'content-type': 'application/json' } },
            reply => {
                const parts = [];
                reply.on('data', part => parts.push(part));
                reply.on('end', () => resolve(Buffer.concat(parts).toString()));
            },
        );
        request.on('error', reject);
        request.setTimeout(30_000, () => request.destroy(new Error('no answer in 30 s')));
        request.end(body);
    });
}
