#!/bin/bash
# needs: git /usr/bin/python3
. "$(dirname "$0")/lib.sh"
export HOME=$W GIT_CONFIG_NOSYSTEM=1; git config --global user.email a@b; git config --global user.name n; git config --global init.defaultBranch main; git config --global --add safe.directory '*'
git init -q $W/src; cp $D/1m.bin $D/small.txt $W/src/; cd $W/src; git add .; git commit -qm one; for i in $(seq 60); do echo $i > f$i; done; git add .; git commit -qm two; git clone -q --bare $W/src $W/srv.git; touch $W/srv.git/git-daemon-export-ok; git -C $W/srv.git update-server-info
bg git daemon --reuseaddr --listen=127.0.0.1 --port=9499 --base-path=$W --export-all --enable=receive-pack; wait_port 127.0.0.1 9499
git clone -q git://127.0.0.1:9499/srv.git $W/c1; same $W/c1/1m.bin $D/1m.bin
cd $W/c1; echo x > new; git add new; git commit -qm three; git push -q origin main; git fetch -q; git ls-remote git://127.0.0.1:9499/srv.git | grepq refs/heads/main
git -C $W/srv.git update-server-info; bg /usr/bin/python3 -m http.server -b 127.0.0.1 -d $W 9498; wait_port 127.0.0.1 9498
git clone -q http://127.0.0.1:9498/srv.git $W/c2; same $W/c2/1m.bin $D/1m.bin
