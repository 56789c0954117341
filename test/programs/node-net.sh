#!/bin/bash
# needs: node
. "$(dirname "$0")/lib.sh"
cat > $W/t.cjs <<'X'
const net=require('net'),http=require('http'),http2=require('http2'),https=require('https'),dgram=require('dgram'),fs=require('fs'),crypto=require('crypto');
const [,,K,U]=process.argv,key=fs.readFileSync(K+'/k.pem'),cert=fs.readFileSync(K+'/c.pem'),big=crypto.randomBytes(3e6);
const L=(s,...a)=>new Promise(r=>s.listen(...a,()=>r(s.address())));
const rd=s=>new Promise((y,n)=>{const c=[];s.on('data',d=>c.push(d)).on('end',()=>y(Buffer.concat(c))).on('error',n)});
const eq=(a,b)=>{if(Buffer.compare(a,b))throw Error('mismatch '+a.length+' '+b.length)};
(async()=>{
 const e=net.createServer({allowHalfOpen:true},s=>s.pipe(s)); const a=await L(e,0,'127.0.0.1');
 await Promise.all([...Array(10)].map(async()=>{const c=net.connect(a.port,'127.0.0.1');c.end(big);eq(await rd(c),big)}));
 const h=http.createServer((q,r)=>q.pipe(r)); const b=await L(h,0,'::'); // dual stack
 await Promise.all([...Array(10)].map((_,i)=>new Promise((y,n)=>{const q=http.request({host:i&1?'127.0.0.1':'::1',port:b.port,method:'POST'},async r=>{eq(await rd(r),big);y()}).on('error',n);q.end(big)})));
 const s=https.createServer({key,cert},(q,r)=>r.end(big)); const d=await L(s,0,'127.0.0.1');
 await new Promise((y,n)=>https.get({host:'127.0.0.1',port:d.port,ca:cert},async r=>{eq(await rd(r),big);y()}).on('error',n));
 const h2=http2.createSecureServer({key,cert}); h2.on('stream',s=>{s.respond();s.end(big)}); const f=await L(h2,0,'127.0.0.1');
 const c2=http2.connect('https://127.0.0.1:'+f.port,{ca:cert}); await Promise.all([1,2,3,4].map(async()=>{const q=c2.request({':path':'/'});q.end();eq(await rd(q),big)})); c2.close();
 const u=dgram.createSocket('udp4'); await new Promise(r=>u.bind(0,'127.0.0.1',r)); u.on('message',(m,i)=>u.send(m,i.port,i.address)); const v=dgram.createSocket('udp4'); v.send('dg',u.address().port,'127.0.0.1'); await new Promise(r=>v.on('message',m=>{if(m+''!='dg')throw 1;r()})); u.close();v.close();
 await new Promise(r=>net.connect(9,'127.0.0.1').on('error',x=>{if(x.code!='ECONNREFUSED')throw x;r()}));
 const us=net.createServer(s=>s.pipe(s)); await L(us,U); const uc=net.connect(U); uc.end('unix'); if(await rd(uc)+''!='unix')throw 2; us.close();
 console.log('ok',require('os').networkInterfaces().lo?.length); process.exit(0);
})().catch(e=>{console.error(e);process.exit(1)});
X
timeout 18 node $W/t.cjs $K $W/u.sock | grepq ok
cat > $W/c.cjs <<'X'
const cl=require('cluster'),http=require('http'); if(cl.isPrimary){let n=0;for(let i=0;i<2;i++)cl.fork(); cl.on('listening',()=>{if(++n==2){let k=0;for(let i=0;i<40;i++)http.get({port:8301,host:'127.0.0.1',agent:false},r=>{r.resume();r.on('end',()=>{if(++k==40){console.log('ok');for(const w of Object.values(cl.workers))w.kill();process.exit(0)}})})}})}else http.createServer((q,r)=>r.end('w'+process.pid)).listen(8301,'127.0.0.1');
X
timeout 10 node $W/c.cjs | grepq ok
