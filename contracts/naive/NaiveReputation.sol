// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title The obvious contract, to measure the real one against
/// @notice A struct per user under its name, one call per user. Nothing uses it but the gas report.
contract NaiveReputation {
    /// @notice What is stored of a user
    struct User {
        string publicKey;
        uint256 uploaded;
        uint256 downloaded;
        bool exists;
    }

    address private immutable _owner = msg.sender;
    mapping(string name => User) private _users;

    /// @notice A user was registered
    event UserRegistered(string name);
    /// @notice A user's totals changed
    event UserUpdated(string name, uint256 uploaded, uint256 downloaded);

    modifier onlyOwner() {
        require(msg.sender == _owner, "not the owner");
        _;
    }

    /// @notice Enter a user
    function register(string calldata name, string calldata publicKey) external onlyOwner {
        User storage user = _users[name];
        require(!user.exists, "user exists");
        user.publicKey = publicKey;
        user.exists = true;
        emit UserRegistered(name);
    }

    /// @notice Set a user's totals
    function update(string calldata name, uint256 uploaded, uint256 downloaded)
        external
        onlyOwner
    {
        User storage user = _users[name];
        require(user.exists, "no such user");
        user.uploaded = uploaded;
        user.downloaded = downloaded;
        emit UserUpdated(name, uploaded, downloaded);
    }

    /// @notice A user as stored
    function read(string calldata name) external view returns (User memory) {
        return _users[name];
    }
}
